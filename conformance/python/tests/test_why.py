"""Every start and every decision leaves a record that can be asked for."""
import json
import subprocess
from unittest.mock import ANY

import pytest

from harness.calls import call, client, create
from harness.packages import python
from harness.server import BINARY, KEY, SECRET
from harness.signing import send, signed
from harness.wait import until

CONFIG = "[scaling]\nkeep_alive_seconds = 1\nprepared_least = 0\nprepared_most = 0\n[logs]\nstart_phases = true\n"
ECHO = "def handler(event, context): return event\n"


def why(server, subject, status=200):
    answer = send(signed(server, path=f"/_lacewing/why/{subject}"))
    assert answer.status_code == status, answer.text
    return answer.json()


def told(server, subject, *more):
    """The same by the command."""
    environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "PATH": "/usr/bin:/bin"}
    command = [BINARY, "why", subject, "--endpoint", server.url, *more]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)


@pytest.fixture(scope="module")
def calls(lam, deploy):
    """A cold call and a warm one of the same sandbox."""
    deploy(python(ECHO), "asked")
    return [call(lam, "asked") for _ in range(2)]


def test_a_cold_call_tells_its_start(server, calls):
    cold = calls[0]
    reply = why(server, f"requests/{cold.request_id}")
    start = reply["start"]
    assert reply["rung"] == start["rung"] == "full" and reply["outcome"] == "success"
    assert start["first_request_id"] == cold.request_id
    assert start["missed"] == "none of its kind was prepared"
    phases = start["phases"]
    parts = sum(phases[name] for name in ("place_ms", "sandbox_ms", "mount_ms", "boot_ms", "load_ms"))
    assert phases["queue_ms"] == reply["waited_ms"] and abs(parts - phases["queue_ms"]) < 0.1
    assert reply["init_ms"] == pytest.approx(float(cold.report["init"]), abs=0.01)


def test_a_warm_call_names_the_call_that_its_sandbox_was_started_for(server, calls):
    cold, warm = calls
    reply = why(server, f"requests/{warm.request_id}")
    assert reply["rung"] == "warm" and reply["init_ms"] is None and reply["waited_ms"] < 5
    assert reply["start"]["first_request_id"] == cold.request_id and reply["start"]["rung"] == "full"
    assert reply["sandbox"] == why(server, f"requests/{cold.request_id}")["sandbox"]


def test_the_report_line_has_the_phases(calls):
    cold, warm = calls
    assert "\tStart: full (queue " in cold.log and "; none of its kind was prepared)" in cold.log
    for phase in ("place", "sandbox", "mount", "boot", "init"):
        assert f", {phase} " in cold.log
    assert "Start:" not in warm.log


def test_a_functions_hour_is_a_list_of_decisions(server, lam, calls, until_ended):
    reply = why(server, "functions/asked")
    decisions = reply["decisions"]
    assert [decision["what"] for decision in decisions][:2] == ["start", "started"]
    begun, started, ended = decisions[0], decisions[1], decisions[-1]
    assert begun["why"] == "no idle sandbox" and started["rung"] == "full" and started["took_ms"] > 1
    assert started["request_id"] == calls[0].request_id and started["missed"] == "none of its kind was prepared"
    assert ended["what"] == "end" and ended["why"] == "keep-alive over" and ended["sandbox"] == begun["sandbox"]


@pytest.fixture
def until_ended(server, calls):
    return until(lambda: why(server, "functions/asked")["decisions"][-1]["what"] == "end", 10, "it was kept for ever")


def test_the_command_says_the_same(server, calls):
    cold, warm = calls
    shown = told(server, warm.request_id)
    assert shown.returncode == 0, shown.stderr
    assert "warm: a sandbox of this version idled" in shown.stdout and cold.request_id in shown.stdout
    assert "runtime boot" in shown.stdout
    assert "no idle sandbox" in told(server, "asked").stdout
    assert json.loads(told(server, "asked", "--json").stdout) == why(server, "functions/asked") | {"from": ANY}


def test_what_is_not_known_is_said_so(server):
    unknown = "00000000-0000-4000-8000-000000000000"
    assert "No finished invocation" in why(server, f"requests/{unknown}", 404)["Message"]
    assert "Function not found" in why(server, "functions/absent", 404)["Message"]
    assert why(server, "elsewhere", 400)
    shown = told(server, unknown)
    assert shown.returncode == 1 and "No finished invocation" in shown.stderr


def test_a_warm_call_before_a_restart_is_explained_by_the_books(start_server):
    server = start_server(CONFIG)
    lam = client(server)
    create(lam, "kept", python(ECHO))
    cold, warm = (call(lam, "kept") for _ in range(2))
    assert server.stop() == 0
    server.start()
    reply = why(server, f"requests/{warm.request_id}")
    assert reply["rung"] == "warm" and reply["start"]["first_request_id"] == cold.request_id
    assert reply["start"]["rung"] == "full" and reply["start"]["phases"]["boot_ms"] > 0
    assert reply["start"]["missed"] == "" == reply["start"]["purpose"]
