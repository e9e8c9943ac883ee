"""What a server could leave on the machine: processes, cgroups, mounts, namespaces."""
import os
from pathlib import Path

from .server import BINARY, RUNNING
from .wait import until

CGROUPS = Path("/sys/fs/cgroup")


def assert_gone(server):
    """After its end: no process, cgroup, mount or file of this server is left."""
    mine = lambda: processes_of_binary() - {pid for other in RUNNING for pid in tree(other.pid)}
    until(lambda: not mine(), 10, lambda: f"processes are left: {described(mine())}")
    until(lambda: not cgroups(server), 10, lambda: f"cgroups are left: {cgroups(server)}")
    assert not mounts(str(server.data)), "mounts are left"


def tree(pid: int) -> set:
    """A process and all below it."""
    found = {pid}
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    return found.union(*(tree(int(child)) for child in children)) if children else found


def described(pids) -> list:
    """Processes with their command lines."""
    def line(pid):
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return "gone"
    return [f"{pid} {line(pid)}" for pid in sorted(pids)]


def processes_of_binary() -> set:
    """Processes that run this build of the server: others on this machine are none of ours."""
    found, binary = set(), os.path.realpath(BINARY)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.path.realpath(folder / "exe") == binary and state(folder) != "Z":
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def state(folder: Path) -> str:
    return (folder / "stat").read_text().rsplit(") ", 1)[1][0]


def cgroups(server) -> list:
    """Cgroup folders of this server's, in every hierarchy (v1 controllers and v2), and all below them."""
    found = []
    for folder, below, _ in os.walk(CGROUPS):  # which passes over what vanishes meanwhile
        if instance(server) in below:
            top = os.path.join(folder, instance(server))
            found += [inner for inner, _, _ in os.walk(top)]
    return sorted(found)


def instance(server) -> str:
    """The name of a server's cgroups: `lacewing-` and the FNV-1a hash of its folder of running things."""
    number = 0x811C9DC5
    for byte in os.fsencode(os.path.realpath(server.data / "run")):
        number = (number ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"lacewing-{number:08x}"


def mounts(word: str) -> list:
    """Mounts of the host that name `word`."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if word in line]


def files(folder: Path) -> list:
    """What lies below `folder`, if it is there at all."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def namespaces() -> int:
    """How many distinct network namespaces processes of this machine are in."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.add(os.readlink(folder / "ns/net"))
        except OSError:
            continue
    return len(found)


def links() -> set:
    """Network interfaces of the host."""
    return set(os.listdir("/sys/class/net"))


def processes_that_serve() -> set:
    """Servers and their spawners: processes of the binary that are in the host's own process namespace."""
    own = os.readlink("/proc/self/ns/pid")
    found = set()
    for pid in processes_of_binary():
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == own:
                found.add(pid)
        except OSError:
            continue
    return found


def in_sandboxes(pids) -> set:
    """Those of `pids` that are not in the host's own process namespace, as server, spawner and zygotes are."""
    own, found = os.readlink("/proc/self/ns/pid"), set()
    for pid in pids:
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") != own:
                found.add(pid)
        except OSError:
            continue
    return found


def state_of(pid: int) -> str:
    """`Z` for a process that only waits to be reaped, `X` for one that is gone."""
    try:
        return state(Path(f"/proc/{pid}"))
    except OSError:
        return "X"


def assert_swept(server):
    """A fresh start holds nothing of the former one: only its own empty cgroups and files."""
    def stale():
        own = tree(server.pid)
        return [path for path in cgroups(server) if (pids := _pids(path)) and not pids <= own]
    until(lambda: not stale(), 10, lambda: f"cgroups of the former server hold processes: {stale()}")


def _pids(cgroup: str) -> set:
    try:
        return {int(line) for line in (Path(cgroup) / "cgroup.procs").read_text().split()}
    except OSError:
        return set()
