"""What a function may reach over the network: other hosts by default, never this one, nothing at all if so told.

The other hosts are real: a network namespace of the tests' own, joined to the host by a veth pair.
"""
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness.calls import call
from harness.packages import package

pytestmark = pytest.mark.root
SOURCE = (Path(__file__).parent.parent / "functions/hostile.py").read_text()
SPACE, OUTER, INNER = f"lwtest{os.getpid()}", f"lwt{os.getpid() % 100_000}", f"lwu{os.getpid() % 100_000}"
HOST, OTHER, PORT = "198.51.100.1", "198.51.100.2", 8099
SERVICE = textwrap.dedent("""
    import socket, threading
    def tcp():
        listener = socket.create_server(("0.0.0.0", 8099))
        while True:
            one, _ = listener.accept()
            one.sendall(b"from the other host")
            one.close()
    threading.Thread(target=tcp, daemon=True).start()
    print("up", flush=True)
    input()
    """)


def run(*words):
    subprocess.run(words, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def other_host():
    """A host of the tests' own at 198.51.100.2 with one service."""
    run("ip", "netns", "add", SPACE)
    service = None
    try:
        run("ip", "link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", SPACE)
        run("ip", "address", "add", f"{HOST}/24", "dev", OUTER)
        run("ip", "link", "set", OUTER, "up")
        for words in (("address", "add", f"{OTHER}/24", "dev", INNER), ("link", "set", INNER, "up"), ("link", "set", "lo", "up")):
            run("ip", "netns", "exec", SPACE, "ip", *words)
        service = subprocess.Popen(["ip", "netns", "exec", SPACE, sys.executable, "-c", SERVICE], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        assert service.stdout.readline() == "up\n"
        yield OTHER
    finally:
        if service:
            service.kill()
            service.wait()
        run("ip", "netns", "del", SPACE)


@pytest.fixture(scope="module")
def probe(lam, deploy):
    """A function that connects wherever it is told."""
    name = deploy(package({"hostile.py": SOURCE}), "free", handler="hostile.handler", Timeout=20)
    return lambda **event: call(lam, name, {"do": "connect", **event}).value


@pytest.fixture(scope="module")
def shut(lam, deploy):
    name = deploy(package({"hostile.py": SOURCE}), "shut", handler="hostile.handler", Timeout=20, Tags={"lacewing:egress": "none"})
    return lambda **event: call(lam, name, {"do": "connect", **event}).value


def test_another_host_can_be_reached(other_host, probe):
    assert probe(host=other_host, port=PORT) == {"connected": True, "got": "from the other host"}


def test_many_connections_at_once(other_host, deploy, lam):
    source = f"""
        import concurrent.futures, socket
        def one(_):
            with socket.create_connection(("{OTHER}", {PORT}), timeout=5) as connection:
                return connection.recv(100).decode()
        def handler(event, context):
            with concurrent.futures.ThreadPoolExecutor(20) as pool:
                return list(pool.map(one, range(60)))
        """
    name = deploy(package({"app.py": source}), Timeout=20)
    assert call(lam, name).value == ["from the other host"] * 60


def test_a_port_where_nobody_listens_is_refused_as_from_the_host(other_host, probe):
    value = probe(host=other_host, port=1)
    assert not value["connected"] or value["got"] == ""


def test_the_hosts_own_address_towards_that_network_is_shut(other_host, probe, server):
    import socket

    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(0.2)
        value = probe(host=HOST, port=listener.getsockname()[1], receive=False)
        assert not value["connected"] and value["seconds"] < 1, value
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("host", ["169.254.169.254", "169.254.170.2", "169.254.1.1", "0.0.0.0", "127.0.0.2", "224.0.0.1", "255.255.255.255"])
def test_places_that_are_shut_answer_at_once(probe, server, host):
    value = probe(host=host, port=server.port, receive=False)
    assert not value["connected"] and value["seconds"] < 1, value


def test_none_means_none(other_host, shut, server):
    for host, port in ((other_host, PORT), (HOST, server.port), ("127.0.0.1", server.port), ("169.254.169.254", 80)):
        value = shut(host=host, port=port, receive=False)
        assert not value["connected"] and value["seconds"] < 1, (host, value)


def test_a_function_that_is_shut_in_still_gets_its_calls(shut, lam):
    assert call(lam, "shut", {"do": "nothing"}).value == "fine"
    value = shut(host="127.0.0.1", port=9001, receive=False)
    assert value["connected"], "the guests' door is inside"


def test_datagrams_do_not_leave(other_host, lam, probe):
    value = call(lam, "free", {"do": "datagram", "host": other_host, "port": PORT}).value
    assert isinstance(value, dict) and "error" in value


def test_its_own_name_needs_no_network(lam, deploy):
    source = """
        import socket
        def handler(event, context):
            return sorted({found[4][0] for found in socket.getaddrinfo("localhost", 80)})
        """
    value = call(lam, deploy(package({"app.py": source}))).value
    assert "127.0.0.1" in value and set(value) <= {"127.0.0.1", "::1"}


def test_the_host_keeps_no_trace(other_host, server, lam, probe):
    """No interface, no rule and no address of ours on the host: the way out is a proxy."""
    links = {name for name in os.listdir("/sys/class/net") if name not in (OUTER,)}
    call(lam, "free", {"do": "nothing"})
    assert {name for name in os.listdir("/sys/class/net") if name not in (OUTER,)} == links


