# Short names for the project's tasks; each is one command that also works without `just`.

# Lints, arrows and unit tests: before each commit.
check:
    cargo xtask test --only lint --only unit

# Everything, as CI runs it.
test *ARGS:
    cargo xtask test {{ARGS}}

# One table of figures; wants an idle machine.
bench *ARGS:
    cargo xtask bench {{ARGS}}

# The product in one command.
demo:
    cargo run --release -- demo
