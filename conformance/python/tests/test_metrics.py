"""The figures that a scraper gets, read by Prometheus's own parser."""
import re
import threading
import time
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from harness.calls import call, client, refused
from harness.packages import python
from harness.signing import send, signed

CONFIG = "[scaling]\naccount_concurrency = 1\n"
WORKS = """
    import time
    def handler(event, context):
        time.sleep(event.get("s", 0))
        if event.get("fail"):
            raise ValueError("as asked")
        return "x"
    """


def token(server) -> str:
    return (server.data / "metrics-token").read_text().strip()


def scrape(server, authorization=None) -> requests.Response:
    authorization = authorization or f"Bearer {token(server)}"
    return requests.get(server.url + "/_lacewing/metrics", headers={"Authorization": authorization}, timeout=10)


def families(server) -> dict:
    answer = scrape(server)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(found, name, **labels) -> float:
    """The one sample of that name with these labels among its own."""
    samples = [s for family in found.values() for s in family.samples
               if s.name == name and labels.items() <= s.labels.items()]
    assert len(samples) == 1, (name, labels, samples)
    return samples[0].value


@pytest.fixture(scope="module")
def busy(server, lam, deploy):
    """A server that has seen calls of every ending."""
    deploy(python(WORKS), "counted", Timeout=1)
    for event in ({}, {}, {"fail": True}, {"s": 3}, {}):
        call(lam, "counted", event)
    assert refused(lam.invoke, FunctionName="counted", Payload="{")[0] == 400
    return server


def test_calls_are_counted_by_their_ending(busy):
    found = families(busy)
    for outcome, count in (("success", 3), ("error", 1), ("timeout", 1), ("crash", 0), ("out_of_memory", 0)):
        labels = dict(function="counted", version="$LATEST", region="us-east-1", outcome=outcome)
        assert value(found, "lacewing_invocations_total", **labels) == count, outcome
    assert value(found, "lacewing_invocation_duration_seconds_count", function="counted") == 5
    assert 1 <= value(found, "lacewing_invocation_duration_seconds_sum", function="counted") < 2
    assert value(found, "lacewing_invocation_failures_total", reason="not_json") == 1
    assert value(found, "lacewing_http_requests_total", operation="Invoke", status="2xx") == 5
    assert value(found, "lacewing_http_requests_total", operation="Invoke", status="4xx") == 1


def test_starts_tell_their_rung_and_phases(busy):
    found = families(busy)
    started = sum(sample.value for sample in found["lacewing_starts"].samples if sample.labels["language"] == "python")
    assert started == 1
    assert value(found, "lacewing_init_duration_seconds_count", language="python", ending="ready") == 1
    phases = {sample.labels["phase"] for sample in found["lacewing_start_phase_seconds"].samples}
    assert {"sandbox", "mount", "boot", "init"} <= phases
    assert value(found, "lacewing_queue_duration_seconds_count") == 1


def test_gauges_tell_the_moment(busy, lam):
    call(lam, "counted")
    found = families(busy)
    assert value(found, "lacewing_sandboxes", state="busy") == 0
    at_rest = [value(found, "lacewing_sandboxes", state=state) for state in ("idle", "frozen")]
    assert sorted(at_rest) == [0, 1]
    assert value(found, "lacewing_invocations_in_flight") == 0 and value(found, "lacewing_invocations_queued") == 0
    assert value(found, "lacewing_sandbox_memory_promised_bytes") == 128 << 20
    if "lacewing_sandbox_memory_used_bytes" in found:  # a host without memory accounting has none
        assert 1 << 20 < value(found, "lacewing_sandbox_memory_used_bytes") < 128 << 20
    assert value(found, "process_resident_memory_bytes") > 1 << 20 and value(found, "process_open_fds") > 10
    assert value(found, "lacewing_usage_bytes_total") > 100 and value(found, "lacewing_log_bytes_total") > 100


def test_a_throttled_call_is_counted_by_its_reason(busy, lam):
    slow = threading.Thread(target=call, args=(client(busy), "counted", {"s": 0.8}))
    slow.start()
    while value(families(busy), "lacewing_invocations_in_flight") == 0:
        time.sleep(0.01)
    assert refused(lam.invoke, FunctionName="counted")[0] == 429
    slow.join()
    labels = dict(function="counted", reason="ConcurrentInvocationLimitExceeded")
    assert value(families(busy), "lacewing_throttles_total", **labels) == 1


def test_only_the_token_or_a_root_key_opens_it(busy):
    assert requests.get(busy.url + "/_lacewing/metrics", timeout=10).status_code == 403
    for wrong in ("Bearer ", "Bearer x", f"Bearer {token(busy)}x", f"Basic {token(busy)}", token(busy)):
        assert scrape(busy, wrong).status_code in (400, 403), wrong
    assert send(signed(busy, path="/_lacewing/metrics")).status_code == 200
    with_token = {"Authorization": f"Bearer {token(busy)}"}
    for other in ("/_lacewing/cost", "/2015-03-31/functions/"):
        assert requests.get(busy.url + other, headers=with_token, timeout=10).status_code == 403, other
    assert requests.post(busy.url + "/_lacewing/metrics", headers=with_token, timeout=10).status_code == 403
    assert (busy.data / "metrics-token").stat().st_mode & 0o777 == 0o600


def test_a_functions_role_may_not_read_it(busy, lam, deploy):
    name = deploy(python("""
        import os
        def handler(event, context):
            return [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
        """))
    key, secret, session = call(lam, name).value
    answer = send(signed(busy, path="/_lacewing/metrics", key=key, secret=secret, token=session))
    assert answer.status_code == 403 and "lacewing:GetMetrics" in answer.text


def test_every_name_is_in_the_reference(busy):
    page = Path(__file__).parents[3] / "docs/reference/metrics.md"
    listed = set(re.findall(r"^\| `([a-z_]+)`", page.read_text(), re.M))
    served = {line.split()[2] for line in scrape(busy).text.splitlines() if line.startswith("# TYPE")}
    assert served <= listed, served - listed


def test_the_configured_token_replaces_the_file(start_server):
    server = start_server("[metrics]\ntoken = 'a-token-of-the-operator'\n")
    assert scrape(server, "Bearer a-token-of-the-operator").status_code == 200
    assert not (server.data / "metrics-token").exists()
