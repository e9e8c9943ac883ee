"""A function that tries to break out. Each probe answers what it got; the tests say what it may get.

`{"do": name, ...}` runs one probe and answers its value, or `{"error": NAME}` with the name of the errno.
"""
import ctypes
import errno
import glob
import os
import signal
import socket
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "ptrace": 101, "bpf": 321, "keyctl": 250, "add_key": 248, "request_key": 249, "perf_event_open": 298,
    "init_module": 175, "finit_module": 313, "delete_module": 176, "kexec_load": 246, "reboot": 169, "swapon": 167,
    "swapoff": 168, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
    "iopl": 172, "ioperm": 173, "acct": 163, "settimeofday": 164, "clock_settime": 227, "adjtimex": 159,
    "sethostname": 170, "setdomainname": 171, "userfaultfd": 323, "process_vm_readv": 310, "process_vm_writev": 311,
    "open_by_handle_at": 304, "name_to_handle_at": 303, "move_mount": 429, "open_tree": 428, "fsopen": 430,
    "mount_setattr": 442, "io_uring_setup": 425, "quotactl": 179, "syslog": 103, "vhangup": 153, "lookup_dcookie": 212,
    "mknod": 133, "kcmp": 312, "fanotify_init": 300, "personality": 135, "setuid": 105, "setgid": 106, "setgroups": 116,
    "pidfd_getfd": 438, "clone3": 435,
}


def handler(event, context):
    try:
        return globals()["probe_" + event["do"]](event)
    except OSError as error:
        return {"error": errno.errorcode.get(error.errno, str(error.errno)), "text": str(error)}


def probe_nothing(event):
    return "fine"


def probe_read(event):
    with open(event["path"], "rb") as file:
        return file.read(200).decode(errors="replace")


def probe_write(event):
    with open(event["path"], "w") as file:
        file.write(event.get("text", "x"))
    return "written"


def probe_list(event):
    return sorted(os.listdir(event["path"]))


def probe_find(event):
    """Every place that holds a marker which only somebody else wrote."""
    found = []
    for root in event["roots"]:
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    if os.path.isfile(path) and event["marker"] in open(path, errors="replace").read(100_000):
                        found.append(path)
                except OSError:
                    pass
    return found


def probe_syscall(event):
    """A system call with arguments that would do little if it were let through."""
    ctypes.set_errno(0)
    arguments = [ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value.encode())
                 for value in event.get("arguments", [0, 0, 0, 0, 0, 0])]
    result = libc.syscall(ctypes.c_long(NUMBERS[event["name"]]), *arguments)
    return {"result": result, "error": errno.errorcode.get(ctypes.get_errno(), "none") if result == -1 else None}


def probe_processes(event):
    seen = {}
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            seen[folder[6:]] = open(folder + "/cmdline").read().replace("\0", " ").strip()
        except OSError:
            seen[folder[6:]] = None
    return {"me": os.getpid(), "seen": seen}


def probe_signal(event):
    """Tries to end every process but itself; what could be signalled is told."""
    hit = []
    for pid in list(range(1, 2000)) + [event.get("pid", 1)]:
        if pid in (os.getpid(), os.getppid()):
            continue
        try:
            os.kill(pid, 0 if pid == 1 else signal.SIGKILL)
            hit.append(pid)
        except OSError:
            pass
    return hit


def probe_socket(event):
    family, kind = getattr(socket, event["family"]), getattr(socket, event["kind"])
    socket.socket(family, kind, event.get("protocol", 0)).close()
    return "opened"


def probe_connect(event):
    """How connecting ends, and how long that takes."""
    begin = time.monotonic()
    try:
        with socket.create_connection((event["host"], event["port"]), timeout=event.get("timeout", 3)) as connection:
            if event.get("send"):
                connection.sendall(event["send"].encode())
            got = connection.recv(200).decode(errors="replace") if event.get("receive", True) else ""
        return {"connected": True, "got": got}
    except OSError as error:
        name = errno.errorcode.get(error.errno, type(error).__name__)
        return {"connected": False, "error": name, "seconds": time.monotonic() - begin}


def probe_datagram(event):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(1)
        one.sendto(b"hello", (event["host"], event["port"]))
        return one.recvfrom(100)[0].decode()


def probe_fork_bomb(event):
    children = []
    try:
        while len(children) < 5000:
            pid = os.fork()
            if pid == 0:
                time.sleep(20)
                os._exit(0)
            children.append(pid)
        return {"forked": len(children)}
    except OSError as error:
        return {"forked": len(children), "error": errno.errorcode[error.errno]}
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


def probe_threads(event):
    stop, started = threading.Event(), 0
    try:
        for started in range(5000):
            threading.Thread(target=stop.wait, daemon=True).start()
    except RuntimeError:
        pass
    stop.set()
    return started


def probe_memory_bomb(event):
    held = []
    while True:
        held.append(bytearray(b"x" * 8_000_000))


def probe_memory_bomb_of_children(event):
    """Many processes that eat a little each: the limit is the sandbox's, not the process's."""
    for _ in range(40):
        subprocess.Popen([sys.executable, "-S", "-c", "b = bytearray(b'x' * 40_000_000); import time; time.sleep(20)"])
    time.sleep(20)


def probe_fill(event):
    """Writes until the disk is full; answers how far it came."""
    written, block = 0, b"x" * 1_048_576
    try:
        with open("/tmp/fill", "wb") as file:
            while written < event["bytes_max"]:
                file.write(block)
                file.flush()
                written += len(block)
    except OSError as error:
        return {"written": written, "error": errno.errorcode[error.errno]}
    finally:
        os.unlink("/tmp/fill")
    return {"written": written}


def probe_inodes(event):
    made = 0
    try:
        for made in range(event["max"]):
            open(f"/tmp/{made}", "w").close()
    except OSError as error:
        return {"made": made, "error": errno.errorcode[error.errno]}
    return {"made": made}


def probe_shout(event):
    """Endless output, with and without line ends."""
    end, block = time.monotonic() + event["seconds"], event.get("block", "x" * 100 + "\n") * 100
    written = 0
    while time.monotonic() < end and written < event.get("bytes_max", 10**9):
        sys.stdout.write(block)
        written += len(block)
    sys.stdout.flush()
    return written


def probe_frames(event):
    """Nonsense on the channel of framed log lines."""
    fd = int(os.environ.get("_LAMBDA_TELEMETRY_LOG_FD", "4"))
    for junk in (b"\xff" * 64, b"\xa5\x5a\x00\x03\xff\xff\xff\xff" + b"\0" * 8, b"\xa5\x5a\x00\x03" * 100):
        os.write(fd, junk)
    return "written"


def probe_shared_memory(event):
    """Shared memory of System V lives without a process; then the process ends."""
    libc.shmat.restype = ctypes.c_void_p
    one = libc.shmget(0, event["bytes"], 0o1777)
    if one < 0:
        return "refused"
    ctypes.memset(ctypes.c_void_p(libc.shmat(one, None, 0)), 1, event["bytes"])
    os._exit(1)


def probe_files(event):
    held = []
    try:
        while len(held) < 100_000:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        return {"opened": len(held), "error": errno.errorcode[error.errno]}
    finally:
        for fd in held:
            os.close(fd)


def probe_descriptors(event):
    """What the process was born with."""
    return {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}


def probe_status(event):
    fields = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    return {key: fields[key].strip() for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid", "Gid", "Groups")}


def probe_setuid_program(event):
    """A program that would be root outside."""
    out = subprocess.run(["/bin/su", "-c", "id", "root"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=5)
    return {"code": out.returncode, "out": out.stdout}


def probe_namespaces(event):
    return {name: os.readlink(f"/proc/self/ns/{name}") for name in ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")}


def probe_runtime_api(event):
    """Speaks to the guests' door as it pleases."""
    import http.client
    answers = []
    for method, path, headers, body in event["requests"]:
        connection = http.client.HTTPConnection("127.0.0.1", 9001, timeout=5)
        connection.request(method, path, body=body, headers=headers)
        reply = connection.getresponse()
        answers.append([reply.status, reply.read(300).decode(errors="replace")])
        connection.close()
    return answers


def probe_raw_door(event):
    """Bytes that are no HTTP."""
    answers = []
    for sent in event["bytes"]:
        with socket.create_connection(("127.0.0.1", 9001), timeout=3) as one:
            one.sendall(sent.encode("latin-1") * event.get("times", 1))
            try:
                answers.append(one.recv(100).decode(errors="replace"))
            except OSError as error:
                answers.append(type(error).__name__)
    return answers


def probe_leave_running(event):
    """A process that wants to live on after the call and after the sandbox."""
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        while True:
            time.sleep(0.01)
            with open("/tmp/alive", "a") as file:
                file.write(".")
    return child


def probe_mkdir_cgroup(event):
    os.mkdir(event["path"])
    return "made"


def probe_device(event):
    os.mknod("/tmp/device", 0o600 | 0o060000, os.makedev(8, 0))
    return "made"
