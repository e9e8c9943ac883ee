"""From nothing to many sandboxes and back to nothing."""
import os
import signal
import threading
import time

import pytest
import requests

from harness import leftovers
from harness.calls import call, client, create, refused
from harness.packages import python
from harness.server import RUNNING, Server
from harness.signing import send, signed
from harness.wait import until

CONFIG = "[scaling]\nkeep_alive_seconds = 2\naccount_concurrency = 12\nprepared_most = 0\n"
SLOW = """
    import os, time, uuid
    ME = uuid.uuid4().hex
    def handler(event, context):
        time.sleep(event.get("s", 0.3))
        return ME
    """


@pytest.fixture(scope="module")
def slow(deploy):
    return deploy(python(SLOW), "slow", Timeout=20)


def at_once(lam, name, count, event):
    answers, errors = [], []

    def one():
        try:
            answers.append(call(lam, name, event).value)
        except lam.exceptions.TooManyRequestsException as error:
            errors.append(error.response)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers, errors


def test_as_many_sandboxes_as_calls_at_once(lam, slow):
    answers, errors = at_once(lam, slow, 8, {"s": 1.5})
    assert not errors and len(set(answers)) == 8, answers


def test_idle_ones_are_used_again_last_in_first_out(lam, slow):
    known = {call(lam, slow, {"s": 0}).value for _ in range(5)}
    assert len(known) == 1
    answers, _ = at_once(lam, slow, 4, {"s": 0.2})
    assert len(set(answers)) <= 4


def test_short_calls_share_sandboxes_rather_than_start_more(lam, deploy):
    """A call that waits for a start takes the first sandbox that is free, new or old."""
    name = deploy(python(SLOW.replace('event.get("s", 0.3)', "0.001")), Timeout=20)
    call(lam, name)
    seen = set()
    for _ in range(10):
        answers, errors = at_once(lam, name, 3, {})
        seen |= set(answers)
        assert not errors
    assert len(seen) <= 12


def test_over_the_accounts_limit_callers_are_told_to_wait(lam, slow):
    answers, errors = at_once(lam, slow, 20, {"s": 2})
    assert len(answers) == 12 and len(errors) == 8
    for error in errors:
        meta = error["ResponseMetadata"]
        assert meta["HTTPStatusCode"] == 429 and error["Reason"] == "ConcurrentInvocationLimitExceeded"
        assert error["Error"]["Message"] == "Rate Exceeded." and int(meta["HTTPHeaders"]["retry-after"]) >= 0
    assert call(lam, slow, {"s": 0}).error is None


def test_idle_sandboxes_end_and_nothing_is_kept(server, lam, slow):
    call(lam, slow, {"s": 0})
    assert sandboxes(server) > 0
    until(lambda: sandboxes(server) == 0, 15, lambda: f"{sandboxes(server)} sandboxes are kept")
    again = call(lam, slow, {"s": 0})
    assert again.report["init"] is not None


def sandboxes(server) -> int:
    """Processes of sandboxes: those below the server that are in a process namespace of their own."""
    assert RUNNING == [server]
    return len(leftovers.in_sandboxes(leftovers.tree(server.pid)))


def test_a_deployed_function_that_is_idle_costs_no_process(server, lam):
    until(lambda: sandboxes(server) == 0, 15)
    for i in range(20):
        create(lam, f"idle-{i}", python("def handler(event, context): return 1"))
    assert sandboxes(server) == 0


def test_memory_bounds_how_many_run(start_server):
    small = start_server("[scaling]\nmemory_mib = 512\n")
    lam = client(small)
    create(lam, "slow", python(SLOW), Timeout=20, MemorySize=128)
    begin = time.monotonic()
    answers, errors = at_once(lam, "slow", 8, {"s": 0.5})
    assert len(set(answers)) <= 4 and len(answers) + len(errors) == 8
    assert time.monotonic() - begin < 30


def test_a_stop_drains(start_server):
    """What runs is finished, what comes is refused, and the port is free at the end."""
    server = start_server()
    lam = client(server)
    create(lam, "slow", python(SLOW), Timeout=20)
    call(lam, "slow", {"s": 0})
    got = {}
    running = threading.Thread(target=lambda: got.setdefault("running", call(lam, "slow", {"s": 2}).error))
    running.start()
    until(lambda: sandboxes_busy(client(server, "logs")), 10)
    server.process.terminate()
    until(lambda: late(server), 5, "new calls are still taken")
    assert server.wait() == 0
    running.join(10)
    assert got == {"running": None}


def test_control_c_in_a_terminal_drains_too(tmp_path):
    """A terminal signals the whole foreground group, spawner and sandboxes included."""
    server = Server(tmp_path / "data", start_new_session=True).start()
    try:
        lam = client(server)
        create(lam, "slow", python(SLOW), Timeout=20)
        call(lam, "slow", {"s": 0})
        got = {}
        running = threading.Thread(target=lambda: got.setdefault("running", call(lam, "slow", {"s": 1}).error))
        running.start()
        until(lambda: sandboxes_busy(client(server, "logs")), 10)
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait() == 0
        running.join(10)
        assert got == {"running": None}
    finally:
        if server.is_up:
            server.kill()
    leftovers.assert_gone(server)


def sandboxes_busy(logs):
    try:
        return len(logs.filter_log_events(logGroupName="/aws/lambda/slow", filterPattern='"START RequestId"')["events"]) >= 2
    except logs.exceptions.ClientError:
        return False


def late(server):
    """True when a new call is turned away, in whichever way."""
    try:
        return send(signed(server, "POST", "/2015-03-31/functions/slow/invocations", b'{"s":0}')).status_code in (429, 503)
    except requests.exceptions.ConnectionError:
        return True


def test_an_unknown_function_starts_nothing(server, lam):
    assert refused(lam.invoke, FunctionName="nobody")[0] == 404
