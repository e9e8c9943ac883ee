"""A booted interpreter that copies itself into sandboxes: what comes back from `serve` is such a copy, sealed.

```
spawner ─ the calls of sealing, once ─► zygote        outside of every sandbox; no function's code ever runs in it
        ─ "+", descriptors ───────────► fork ► child  born in the sandbox's pid namespace, enters its cgroups and
                                               │      all its other namespaces, forks once more, ends
                                               └► the runtime: orphaned, so a child of the sandbox's init; seals
                                                  itself by the calls, and goes on as one that waits for its function
```

The sandbox is fresh: only its init is in it, which executes no program. Nothing in there can meet the child before
the runtime is sealed.
"""

import os
import sys

_HOME_PIDS = 4
_SOCKET = 3
_FDS_MAX = 12
_FDS_END = 64
_CLONE_NEWPID = 0x20000000
# User, mount, network, ipc and uts namespace: all that can be entered at once.
_CLONE_ALL = 0x10000000 | 0x00020000 | 0x40000000 | 0x08000000 | 0x04000000
# Init is the first process of the sandbox, the child the second.
_RUNTIME_PID = 3


class _Kernel:
    """System calls by number, with nothing of `ctypes` but its core."""

    def __init__(self):
        import _ctypes

        self._core = _ctypes
        self._call = _ctypes.dlsym(_ctypes.dlopen(None, 0), "syscall")
        self._long = type("Long", (_ctypes._SimpleCData,), {"_type_": "l"})
        self._byte = type("Byte", (_ctypes._SimpleCData,), {"_type_": "b"})

    def memory(self, data):
        kind = type("Memory", (self._core.Array,), {"_type_": self._byte, "_length_": len(data)})
        return kind.from_buffer_copy(data)

    def number(self, value):
        return self._long(value)

    def address(self, memory):
        return self._core.addressof(memory)

    def call(self, arguments):
        return self._core.call_function(self._call, arguments)


def _read_calls(kernel, text):
    """The calls, ready to be made: each a condition and its arguments; and the memory that they point to."""
    calls, held = [], []
    for line in text.split():
        condition, _, rest = line.partition(b":")
        arguments = []
        for word in rest.split(b","):
            kind, value = word[:1], word[1:]
            if kind == b"n":
                arguments.append(kernel.number(int(value)))
                continue
            memory = kernel.memory(bytes.fromhex(value.decode()))
            held.append(memory)
            if kind == b"f":
                # struct sock_fprog: how many instructions of eight bytes, and where they are.
                count, at = len(value) // 16, kernel.address(memory)
                memory = kernel.memory(count.to_bytes(8, sys.byteorder) + at.to_bytes(8, sys.byteorder))
                held.append(memory)
            arguments.append(kernel.number(kernel.address(memory)))
        calls.append((condition, tuple(arguments)))
    return calls, held


def serve():
    known = set(sys.modules)
    import _socket

    kernel = _Kernel()
    channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, _SOCKET)
    setns_number = int(channel.recv(16))
    calls, held = _read_calls(kernel, channel.recv(1 << 16))
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    if home != _HOME_PIDS:
        os.dup2(home, _HOME_PIDS, False)
        os.close(home)

    def setns(fd, kinds):
        return kernel.call(tuple(kernel.number(value) for value in (setns_number, fd, kinds))) == 0

    channel.send(b"ready")
    room = _socket.CMSG_SPACE(_FDS_MAX * 4)
    while True:
        word, ancillary, _, _ = channel.recvmsg(1, room)
        if not word:
            # The spawner is gone.
            os._exit(0)
        data = ancillary[0][2]
        fds = [int.from_bytes(data[at : at + 4], sys.byteorder) for at in range(0, len(data), 4)]
        init, mounted, runtime, doors = fds[0], fds[1], fds[2:6], fds[6:]
        child = -1
        # Only for who is born from now on. It fails where the sandbox has ended meanwhile.
        if setns(init, _CLONE_NEWPID):
            try:
                child = os.fork()
            except OSError:
                pass
            if child == 0:
                break
            if not setns(_HOME_PIDS, _CLONE_NEWPID):
                os._exit(1)
        for fd in fds:
            os.close(fd)
        if child > 0:
            os.waitpid(child, 0)

    for door in doors:
        os.write(door, b"0")
    if not setns(init, _CLONE_ALL):
        os._exit(1)
    if os.fork() != 0:
        os._exit(0)
    if os.getpid() != _RUNTIME_PID:
        os._exit(1)
    channel.detach()
    # Landlock's rules belong to what init has mounted, not to what lies below.
    os.read(mounted, 8)
    for at, fd in enumerate(runtime):
        # Standard output and error are for children too, the door and the log's frames are not.
        os.dup2(fd, at + 1, at < 2)
    os.chdir("/var/task")
    os.closerange(5, _FDS_END)
    for condition, arguments in calls:
        returned = kernel.call(arguments)
        # `?`: it may fail. `=`: it must return that.
        if condition != b"?" and (returned < 0 or condition not in (b"", b"=%d" % returned)):
            os._exit(1)
    del held
    # As if they had never been: a function that imports them finds them as ever.
    for name in set(sys.modules) - known:
        del sys.modules[name]
