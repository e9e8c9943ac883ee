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

    area = environment_area()
    if os.environ.get("LACEWING_ZYGOTE"):
        import lacewing_zygote

        lacewing_zygote.serve()
        del sys.modules["lacewing_zygote"]

    # A line break before a request means nothing in HTTP; here it says that the interpreter is up.
    os.write(fd, b"\r\n")
    warm_up()
    block = _read(fd, int.from_bytes(_read(fd, 4), "big"))
    take_environment(block, area)
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


def environment_area():
    """Where the variables lie that the process was started with, and how many bytes: what /proc/self/environ shows."""
    try:
        with open("/proc/self/stat", "rb") as file:
            # Numbers 50 and 51, counted from the state, which is the third. Source: proc_pid_stat(5).
            fields = file.read().rpartition(b")")[2].split()
        return int(fields[47]), int(fields[48]) - int(fields[47])
    except (OSError, ValueError, IndexError):
        return None


def take_environment(block, area):
    zone = os.environ.get("TZ")
    # Not given to us: the interpreter sets it itself where the locale that LANG names is not installed (PEP 538).
    coerced = os.environ.get("LC_CTYPE")
    _replace(dict(entry.split(b"=", 1) for entry in block.split(b"\0") if entry.find(b"=") > 0))
    # Taken already, by the one who reads here.
    os.environ.pop("LACEWING_DOOR_FD", None)
    if coerced is not None:
        os.environ["LC_CTYPE"] = coerced
    if os.environ.get("TZ") != zone:
        time.tzset()
    if area is None:
        # Only /proc/self/environ shows less.
        return
    try:
        _show(block, *area)
    except OSError:
        pass


def _replace(variables):
    """What `os.environ.clear()` and an assignment of each would do, without a step of Python's for every one: a caller
    waits. All are set, those that stay the same too, because where the old ones lie is written over."""
    kept = getattr(os.environ, "_data", None)
    if not isinstance(kept, dict):
        os.environ.clear()
        for name, value in variables.items():
            os.environ[os.fsdecode(name)] = os.fsdecode(value)
        return
    for name in kept:
        os.unsetenv(name)
    for name, value in variables.items():
        os.putenv(name, value)
    kept.clear()
    kept.update(variables)


def _show(block, start, size):
    """Writes the variables to where the kernel looks for them."""
    fd = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, block[:size].ljust(size, b"\0"), start)
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
