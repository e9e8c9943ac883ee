//! The spawner as a program of its own: for this crate's tests, which have no `lacewing` binary to start.

fn main() -> std::process::ExitCode {
    lacewing_sandbox_linux::spawner_main()
}
