"""Functions that try to break out, look around or take everything. Each attempt fails for the function alone:
after every one of them the server and a neighbour still serve."""
import os
from pathlib import Path

import pytest

from harness.calls import call, publish
from harness.packages import package, python
from harness.wait import until

SOURCE = (Path(__file__).parent.parent / "functions/hostile.py").read_text()
MARKER = "only-the-neighbour-knows-this"


@pytest.fixture(scope="module")
def neighbour(lam, deploy):
    """Another tenant: writes a secret to its /tmp and into its code."""
    name = deploy(python(f"""
        import os
        SECRET = "{MARKER}"
        def handler(event, context):
            with open("/tmp/{MARKER}", "w") as file:
                file.write(SECRET)
            return [os.getpid(), os.listdir("/tmp"), os.getuid()]
        """), "neighbour")
    call(lam, name)
    return name


@pytest.fixture(scope="module", params=["executed", "restored"])
def attacker(request, lam, deploy):
    """What invokes it: its process is started as others are, or copied from a snapshot."""
    name = deploy(package({"hostile.py": SOURCE}), f"{request.param}-attacker", handler="hostile.handler", Timeout=20,
                  MemorySize=256, SnapStart={"ApplyOn": "PublishedVersions"})
    if request.param == "executed":
        return {"name": name}
    version = publish(lam, name)
    assert version["SnapStart"]["OptimizationStatus"] == "On", version
    return {"name": name, "Qualifier": version["Version"]}


@pytest.fixture
def attack(lam, server, attacker, neighbour):
    """Runs a probe; the neighbour is asked before and after."""
    before = call(lam, neighbour).value[0]
    yield lambda do, **event: call(lam, event={"do": do, **event}, **attacker)
    assert server.is_up, server.talk
    assert call(lam, neighbour).value[0] == before, "the neighbour's process was lost"
    assert call(lam, event={"do": "nothing"}, **attacker).value == "fine"


@pytest.mark.parametrize("path", ["/etc/shadow", "/root/.bashrc", "/etc/gshadow", "/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kmsg",
                                  "/proc/1/environ", "/proc/1/mem", "/sys/kernel/security/lsm", "/proc/sysrq-trigger"])
def test_secrets_of_the_host_cannot_be_read(attack, path):
    answer = attack("read", path=path).value
    assert isinstance(answer, dict) and answer["error"] in ("EACCES", "ENOENT", "EPERM", "EIO"), answer


def test_the_data_dir_cannot_be_seen(attack, server):
    for path in (str(server.data), str(server.data.parent), "/var/lib/lacewing"):
        assert attack("list", path=path).value.get("error") in ("ENOENT", "EACCES")


def test_no_place_holds_the_neighbours_code_or_files(attack):
    assert attack("find", roots=["/tmp", "/var", "/opt", "/run", "/home", "/mnt", "/srv"], marker=MARKER).value == []


def test_tmp_is_its_own(attack):
    assert MARKER not in attack("list", path="/tmp").value


def test_other_processes_are_not_there(attack, server):
    value = attack("processes").value
    assert str(server.pid) not in value["seen"] or value["seen"][str(server.pid)] != ""
    assert len(value["seen"]) <= 4, value
    assert not any("lacewing serve" in (line or "") for line in value["seen"].values())


def test_other_processes_cannot_be_signalled(attack, server):
    assert [pid for pid in attack("signal", pid=server.pid).value if pid != 1] == []
    assert server.is_up


NEVER = [
    ("mount", ["none", "/tmp", "tmpfs", 0, 0]), ("umount2", ["/tmp", 0]), ("pivot_root", ["/tmp", "/tmp"]), ("chroot", ["/tmp"]),
    ("unshare", [0x10000000]), ("unshare", [0x00020000]), ("unshare", [0x40000000]), ("setns", [0, 0]),
    ("ptrace", [16, 1, 0, 0]), ("bpf", [0, 0, 0]), ("keyctl", [0, -3, 1, 0, 0]), ("add_key", ["user", "k", "v", 1, -3]),
    ("request_key", ["user", "k", 0, 0]), ("perf_event_open", [0, 0, -1, -1, 0]), ("init_module", [0, 0, ""]),
    ("finit_module", [0, "", 0]), ("delete_module", ["x", 0]), ("kexec_load", [0, 0, 0, 0]), ("reboot", [0, 0, 0, 0]),
    ("swapon", ["/tmp/x", 0]), ("swapoff", ["/tmp/x"]), ("iopl", [3]), ("ioperm", [0, 1, 1]), ("acct", ["/tmp/x"]),
    ("clock_settime", [0, 0]), ("sethostname", ["x", 1]), ("setdomainname", ["x", 1]), ("userfaultfd", [0]),
    ("process_vm_readv", [1, 0, 0, 0, 0, 0]), ("open_by_handle_at", [0, 0, 0]), ("move_mount", [0, "", 0, "", 0]),
    ("open_tree", [-100, "/", 1]), ("fsopen", ["tmpfs", 0]), ("mount_setattr", [-100, "/", 0, 0, 0]), ("io_uring_setup", [1, 0]),
    ("quotactl", [0, 0, 0, 0]), ("syslog", [3, 0, 0]), ("vhangup", []), ("fanotify_init", [0, 0]), ("setuid", [0]), ("setgid", [0]),
    ("kcmp", [1, 1, 0, 0, 0]), ("pidfd_getfd", [0, 0, 0]), ("adjtimex", [0]),
]


@pytest.mark.parametrize("name, arguments", NEVER, ids=[f"{name}-{i}" for i, (name, _) in enumerate(NEVER)])
def test_system_calls_that_are_no_functions_business(attack, name, arguments):
    """Refused by the filter (EPERM, ENOSYS, or the process is killed), not merely by luck with an argument."""
    answer = attack("syscall", name=name, arguments=arguments)
    if answer.error:
        assert answer.value["errorType"] == "Runtime.ExitError"
        return
    allowed = ("EPERM", "ENOSYS", "EACCES") + (("EINVAL",) if name in ("setuid", "setgid") else ())
    assert answer.value["result"] == -1 and answer.value["error"] in allowed, answer.value


@pytest.mark.parametrize("path", ["/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sys/net/ipv4/ip_forward",
                                  "/proc/sys/vm/overcommit_memory", "/sys/kernel/uevent_helper", "/proc/self/oom_score_adj_x",
                                  "/usr/bin/evil", "/var/task/app.py", "/var/runtime/evil", "/etc/passwd", "/evil"])
def test_nothing_outside_of_tmp_can_be_written(attack, path):
    answer = attack("write", path=path).value
    assert isinstance(answer, dict) and answer["error"] in ("EACCES", "EPERM", "EROFS", "ENOENT"), answer


def test_cgroups_cannot_be_changed(attack):
    for path in ("/sys/fs/cgroup/x", "/sys/fs/cgroup/memory/x", "/proc/self/x"):
        assert attack("mkdir_cgroup", path=path).value["error"] in ("ENOENT", "EACCES", "EPERM", "EROFS")


@pytest.mark.parametrize("family, kind, protocol", [
    ("AF_INET", "SOCK_RAW", 1), ("AF_PACKET", "SOCK_RAW", 768), ("AF_NETLINK", "SOCK_RAW", 9), ("AF_VSOCK", "SOCK_STREAM", 0),
    ("AF_ALG", "SOCK_SEQPACKET", 0), ("AF_BLUETOOTH", "SOCK_RAW", 1)])
def test_raw_and_odd_sockets(attack, family, kind, protocol):
    answer = attack("socket", family=family, kind=kind, protocol=protocol).value
    assert isinstance(answer, dict) and answer["error"] in (
        "EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"), answer


def test_device_nodes(attack):
    assert attack("device").value["error"] in ("EPERM", "EACCES")
    assert set(attack("list", path="/dev").value) <= {
        "null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "shm", "pts", "ptmx"}


def test_it_holds_no_privilege(attack, lam, neighbour):
    status = attack("status").value
    for key in ("CapEff", "CapPrm", "CapAmb", "CapBnd"):
        assert int(status[key], 16) == 0, status
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and "0" not in status["Uid"].split()
    assert attack("setuid_program").value.get("out", "") == ""


def test_every_namespace_is_its_own(attack):
    inside = attack("namespaces").value
    for name, own in inside.items():
        assert own != os.readlink(f"/proc/self/ns/{name}"), name


def test_it_was_given_no_descriptor_of_the_servers(attack):
    for fd, target in attack("descriptors").value.items():
        assert not target.startswith(("/work", "/root", "/home", "/var/lib", "/sys", "/proc/1")), (fd, target)


def test_a_fork_bomb_meets_the_limit(attack, lam, deploy):
    name = deploy(package({"hostile.py": SOURCE}), handler="hostile.handler", Timeout=30, MemorySize=3008)
    value = call(lam, name, {"do": "fork_bomb"}).value
    assert value.get("error") == "EAGAIN" and 100 < value["forked"] <= 1024, value
    assert 100 < call(lam, name, {"do": "threads"}).value <= 1024


@pytest.mark.parametrize("bomb", ["memory_bomb", "memory_bomb_of_children"])
def test_a_memory_bomb_ends_its_own_sandbox(attack, bomb):
    answer = attack(bomb)
    assert answer.error == "Unhandled", answer.raw
    assert answer.report["status"] in ("error", "timeout")


def test_shared_memory_that_outlives_its_process_spoils_no_later_call(attack):
    answer = attack("shared_memory", bytes=220 * 1024 * 1024)
    assert answer.error == "Unhandled" or answer.value == "refused"
    for _ in range(3):
        assert attack("nothing").value == "fine"


def test_what_was_once_in_tmp_is_no_memory_that_was_used(lam, deploy):
    source = """
        import os
        def handler(event, context):
            if event.get("fill"):
                with open("/tmp/fill", "wb") as file:
                    for _ in range(200):
                        file.write(bytes(1_048_576))
            elif os.path.exists("/tmp/fill"):
                os.unlink("/tmp/fill")
            return 1
        """
    name = deploy(python(source), Timeout=20, MemorySize=512)
    used = [int(call(lam, name, event).report["used"]) for event in ({}, {"fill": True}, {}, {})]
    assert used[0] < 100 and used[-1] < 150, used


def test_tmp_ends_at_its_size(lam, deploy, server, neighbour):
    name = deploy(package({"hostile.py": SOURCE}), handler="hostile.handler", Timeout=60, MemorySize=1024)
    value = call(lam, name, {"do": "fill", "bytes_max": 600 * 1024 * 1024}).value
    assert value["error"] == "ENOSPC" and 500 * 1024 * 1024 <= value["written"] <= 512 * 1024 * 1024
    assert call(lam, neighbour).error is None


def test_files_without_content_end_too(attack):
    answer = attack("inodes", max=3_000_000)
    assert answer.error == "Unhandled" or answer.value.get("error") in ("ENOSPC", "ENOMEM"), answer.raw


def test_descriptors_end_at_1024(attack):
    value = attack("files").value
    assert value["error"] == "EMFILE" and value["opened"] <= 1024


@pytest.mark.parametrize("block", ["x" * 100 + "\n", "no line ends ", "\n", "\x00\xff\x1b[2J"], ids=["lines", "endless", "empty", "control"])
def test_endless_output_is_bounded(attack, server, block):
    before = server.resident_kib()
    answer = attack("shout", seconds=1, block=block, bytes_max=200_000_000)
    assert answer.error is None and answer.log_bytes <= 4096
    assert server.resident_kib() - before < 100_000, "the server kept the output in memory"
    size = sum(path.stat().st_size for path in server.data.rglob("*") if path.is_file())
    assert size < 500_000_000, "the server kept the output on disk"


def test_nonsense_on_the_log_channel(attack):
    assert attack("frames").value == "written"


def test_forged_calls_at_the_guests_door(attack, lam, neighbour):
    other = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    base = "/2018-06-01/runtime"
    value = attack("runtime_api", requests=[
        ["POST", f"{base}/invocation/{other}/response", {}, "forged"],
        ["POST", f"{base}/invocation/{other}/error", {}, "{}"],
        ["POST", f"{base}/invocation/../../etc/response", {}, "x"],
        ["GET", f"{base}/invocation/next", {}, None],
        ["POST", f"{base}/init/error", {}, "{}"],
        ["GET", "/2018-06-01/nonsense", {}, None],
        ["DELETE", f"{base}/invocation/next", {}, None],
    ]).value
    assert value[0][0] == 400 and "InvalidRequestID" in value[0][1]
    assert value[1][0] == 400 and value[2][0] in (400, 403, 404)
    assert value[3][0] == 403 and value[4][0] == 403
    assert value[5][0] in (403, 404) and value[6][0] in (403, 404, 405)


def test_bytes_that_are_no_http_at_the_guests_door(attack):
    attack("raw_door", bytes=["\x00\xff\xfe", "GET / HTTP/9.9\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                              "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "GET " + "/a" * 9000])
    attack("raw_door", bytes=["X-Pad: " + "y" * 1000 + "\r\n"], times=3000)


def test_an_unsigned_call_through_its_own_door_is_refused(attack):
    value = attack("runtime_api", requests=[["GET", "/2015-03-31/functions/", {}, None],
                                            ["GET", "/2015-03-31/functions/neighbour", {"Authorization": "x"}, None]]).value
    assert [status for status, _ in value] == [403, 403]


def test_what_it_leaves_running_neither_outlives_it_nor_harms(lam, deploy, server, neighbour):
    name = deploy(package({"hostile.py": SOURCE}), "leaver", handler="hostile.handler")
    call(lam, name, {"do": "leave_running"})
    assert call(lam, name, {"do": "nothing"}).value == "fine"
    lam.delete_function(FunctionName=name)
    assert call(lam, neighbour).error is None


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "169.254.170.2", "0.0.0.0", "::1"])
def test_neither_host_nor_metadata_can_be_reached(attack, server, host):
    value = attack("connect", host=host, port=server.port, receive=False, timeout=3).value
    assert not value["connected"], value
    assert value["seconds"] < 1, "it should fail at once, not time out"


def test_the_hosts_other_services_cannot_be_reached(attack):
    """A listener on each of the host's addresses, loopback and others; none can be reached from inside."""
    import socket

    addresses = ["127.0.0.1", *{info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}]
    with socket.create_server(("0.0.0.0", 0)) as listener:
        listener.settimeout(0.1)
        port = listener.getsockname()[1]
        for address in addresses:
            value = attack("connect", host=address, port=port, receive=False).value
            with pytest.raises(TimeoutError):
                listener.accept()
            assert not value["connected"] or address.startswith("127."), value


def test_the_server_is_not_slowed_for_good(lam, server, neighbour):
    until(lambda: call(lam, neighbour).report["init"] is None, 5)
    assert server.resident_kib() < 300_000
