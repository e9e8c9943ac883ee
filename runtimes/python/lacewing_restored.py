"""The moment at which a process becomes many: what comes back from `go_on` is a copy, in a sandbox of its own.

The platform stands between a template and its fork, and lets it happen once for each copy; the template itself goes no
further. A fork, and not a pause, because libraries prepare for one: they end their threads before it, and forget after
it whose locks they held.
"""

import os
import sys


def go_on(door, sink):
    import gc

    # Loaded before, so that no copy has to.
    modules = sys.modules
    # Objects that nobody touches stay the same memory in all copies: collecting would write to each of them.
    getattr(gc, "freeze", int)()
    if os.fork() != 0:
        # The platform has lost its hold: there must not be two of us.
        os._exit(1)
    door.write(b"\r\n")
    take_changes(door.take(int.from_bytes(door.take(4), "big")))
    names = reseed(modules)
    sink.log("lacewing: restored from a snapshot; drawn anew: %s\n" % ", ".join(names))


def take_changes(block):
    """What is this sandbox's own among the variables: its credentials, its log stream. Those that INIT set stay."""
    for entry in block.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name:
            os.environ[os.fsdecode(name)] = os.fsdecode(value)


def reseed(modules):
    """Draws new random state for what keeps one. What asks the kernel each time keeps none, and OpenSSL sees by its
    process number that it was forked."""
    names = []
    for name in ("random", "numpy.random"):
        module = modules.get(name)
        if module is None:
            continue
        try:
            module.seed()
            names.append(name)
        except Exception:
            sys.stderr.write("lacewing: the random state of %s was not drawn anew\n" % name)
    return names or ["nothing that keeps random state is loaded"]
