"""A runtime that was booted before anybody needed it, and waits for the function that it will be.

It is told two things on the door: a block of variables with its length before it, which is the function's whole
environment, then one byte when the code is in its place. Whatever a function can see must then be as if the
interpreter had been started with that environment.
"""

import os
import sys
import time

_TASK = "/var/task"


def await_function(fd):
    # What every function's start needs is loaded while nobody waits.
    import importlib

    if os.environ.get("LACEWING_ZYGOTE"):
        import lacewing_zygote

        lacewing_zygote.serve()
        del sys.modules["lacewing_zygote"]

    # A line break before a request means nothing in HTTP; here it says that the interpreter is up.
    os.write(fd, b"\r\n")
    warm_up()
    block = _read(fd, int.from_bytes(_read(fd, 4), "big"))
    take_environment(block)
    _read(fd, 1)
    # The directory that we were started in lies under the code now.
    os.chdir(_TASK)


def warm_up():
    """Does once what the first invocation will do, and leaves nothing: a fault of a page is dearer than an instruction,
    and what is touched here is not touched first while a caller waits."""
    import lacewing_context
    import lacewing_json

    names = {}
    exec(compile("import os\ndef handler(event, context):\n  return {'a': [event]}\n", "handler", "exec"), names)
    sys.path_hooks[-1]("/var/runtime").find_spec("handler")
    context = lacewing_context.make({"lambda-runtime-deadline-ms": "0"}, None)
    lacewing_json.dumps(names["handler"](lacewing_json.loads(b'{"a": [1, 2.5, null, "text"]}'), context))


def take_environment(block):
    zone = os.environ.get("TZ")
    # Not given to us: the interpreter sets it itself where the locale that LANG names is not installed (PEP 538).
    coerced = os.environ.get("LC_CTYPE")
    os.environ.clear()
    for entry in block.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name:
            os.environ[os.fsdecode(name)] = os.fsdecode(value)
    # Taken already, by the one who reads here.
    os.environ.pop("LACEWING_DOOR_FD", None)
    if coerced is not None:
        os.environ["LC_CTYPE"] = coerced
    if os.environ.get("TZ") != zone:
        time.tzset()
    try:
        _show(block)
    except (OSError, ValueError):
        # Only /proc/self/environ shows less.
        pass


def _show(block):
    """Writes the variables to where the kernel looks for them: what /proc/self/environ shows."""
    with open("/proc/self/stat", "rb") as file:
        # Numbers 50 and 51, counted from the state, which is the third. Source: proc_pid_stat(5).
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    fd = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, block[: end - start].ljust(end - start, b"\0"), start)
    finally:
        os.close(fd)


def _read(fd, size):
    data = b""
    while len(data) < size:
        part = os.read(fd, size - len(data))
        if not part:
            # The platform has closed the door: no function will come.
            sys.exit(1)
        data += part
    return data
