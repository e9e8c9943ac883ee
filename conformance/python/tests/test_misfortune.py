"""What the host may do to a running server: processes killed, few descriptors. Callers should notice as little as can be."""
import contextlib
import os
import resource
import signal
import threading

import pytest

from harness import leftovers
from harness.calls import call, client, create, refused
from harness.packages import NATIVE, guest, package, python
from harness.server import Server
from harness.wait import until

HELLO = python("def handler(event, context): return 'hello'")


@pytest.fixture
def up(own_server):
    server = own_server().start()
    yield server
    if server.is_up:
        assert server.stop() == 0, server.talk
        leftovers.assert_gone(server)


def sandboxed(server) -> set:
    """Processes inside sandboxes of this server."""
    found = leftovers.tree(server.pid) - leftovers.processes_that_serve()
    return {pid for pid in found if leftovers.state_of(pid) not in "ZX"}


def test_an_idle_sandbox_that_was_killed_fails_no_call(up):
    """As the host's own out-of-memory killer would: the next call gets a new one."""
    lam = client(up)
    create(lam, "hello", HELLO)
    call(lam, "hello")
    for pid in sandboxed(up):
        # The end of an init takes its children along.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not sandboxed(up), 5)
    for _ in range(3):
        assert call(lam, "hello").value == "hello"


def test_a_runtime_that_was_killed_between_calls_fails_no_call(up):
    """Only the runtime process, not the sandbox's init."""
    lam = client(up)
    create(lam, "rust", guest(), runtime=NATIVE, handler="bootstrap")
    call(lam, "rust")
    victims = [pid for pid in sandboxed(up) if "bootstrap" in leftovers.described([pid])[0]]
    assert victims, leftovers.described(sandboxed(up))
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(leftovers.state_of(pid) in "ZX" for pid in victims), 5)
    assert call(lam, "rust", {"name": "ada"}).value == {"message": "hello ada"}


def test_a_spawner_that_was_killed_is_replaced(up):
    lam = client(up)
    create(lam, "hello", HELLO)
    assert call(lam, "hello").value == "hello"
    spawners = (leftovers.processes_that_serve() & leftovers.tree(up.pid)) - {up.pid}
    for pid in spawners:
        os.kill(pid, signal.SIGKILL)

    def again():
        try:
            return call(lam, "hello").value == "hello"
        except lam.exceptions.ClientError:
            return False
    until(again, 10, "the server never started a sandbox again")
    assert up.is_up


@pytest.mark.parametrize("limit", [512, 1024])
def test_few_descriptors_are_no_internal_error(own_server, tmp_path, limit):
    """Where a host grants few descriptors, callers are told to wait; nobody meets a fault."""
    data = own_server().data
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    server = Server(data, preexec_fn=few)
    server.start()
    try:
        lam = client(server, pool=150)
        create(lam, "waits", python("import time\ndef handler(event, context): time.sleep(0.5); return 1"), Timeout=20)
        assert call(lam, "waits").value == 1
        outcomes = []

        def one():
            try:
                outcomes.append(call(lam, "waits").value)
            except lam.exceptions.ClientError as error:
                outcomes.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
            except Exception as error:  # noqa: BLE001 - a connection that the host could not take
                outcomes.append(type(error).__name__)
        threads = [threading.Thread(target=one) for _ in range(120)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert 500 not in outcomes, outcomes
        assert 1 in outcomes and call(lam, "waits").value == 1
    finally:
        assert server.stop() == 0, server.talk


def test_a_stop_right_after_the_start_is_a_clean_one(own_server):
    """Who hears that the server is ready may stop it at once."""
    server = own_server()
    for _ in range(10):
        assert server.start().stop() == 0, server.talk
    leftovers.assert_gone(server)


def test_values_that_no_process_can_be_given_are_refused(up):
    lam = client(up)
    status, kind, _ = refused(create, lam, "nul", HELLO, Environment={"Variables": {"A_KEY": "a\0b"}}, active=False)
    assert status == 400 and kind in ("InvalidParameterValueException", "ValidationException")


def test_an_event_that_is_no_unicode_is_refused(up):
    lam = client(up)
    create(lam, "hello", HELLO)
    status, kind, _ = refused(lam.invoke, FunctionName="hello", Payload=b'"\xff"')
    assert (status, kind) == (400, "InvalidRequestContentException")


def test_a_custom_runtime_is_given_three_descriptors_and_no_more(up):
    """Whatever else it held could be used to speak for the platform."""
    lam = client(up)
    create(lam, "counts", package({"bootstrap": (COUNTS, 0o755)}), runtime=NATIVE)
    assert call(lam, "counts").value == [0, 1, 2]


COUNTS = """\
#!/usr/bin/python3
import http.client, json, os
def is_open(fd):
    try:
        os.fstat(fd)
        return True
    except OSError:
        return False
held = [fd for fd in range(1024) if is_open(fd)]
door = http.client.HTTPConnection("127.0.0.1", 9001)
while True:
    door.request("GET", "/2018-06-01/runtime/invocation/next")
    event = door.getresponse()
    event.read()
    door.request("POST", f"/2018-06-01/runtime/invocation/{event.getheader('Lambda-Runtime-Aws-Request-Id')}/response", json.dumps(held))
    door.getresponse().read()
"""
