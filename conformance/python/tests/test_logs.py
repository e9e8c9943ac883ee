"""Log lines: kept per function and sandbox, read through the CloudWatch Logs API and the `aws` command."""
import os
import re
import subprocess
import threading
import time

import pytest

from harness.calls import call, refused
from harness.commands import AWS_2, environment, run
from harness.packages import python
from harness.server import now_ms
from harness.wait import until

needs_aws_2 = pytest.mark.skipif(not os.path.exists(AWS_2), reason="needs the second version of the aws command")
TALKS = """
    import sys
    def handler(event, context):
        for i in range(event.get("lines", 1)):
            print(f"line {i} of {event.get('who', 'nobody')}")
        if "text" in event:
            sys.stdout.write(event["text"])
        return context.log_stream_name
    """


@pytest.fixture(scope="module")
def talks(deploy):
    return deploy(python(TALKS), "talks")


GROUP = "/aws/lambda/talks"


def events(logs, **more):
    found, token = [], None
    while True:
        page = logs.filter_log_events(**{"logGroupName": GROUP, **more}, **({"nextToken": token} if token else {}))
        found += page["events"]
        token = page.get("nextToken")
        if not token:
            return found


def test_groups_and_streams_are_listed(lam, logs, talks):
    stream = call(lam, talks).value
    until(lambda: events(logs), 5)
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/ta")["logGroups"]
    assert [group["logGroupName"] for group in groups] == [GROUP]
    assert groups[0]["arn"].startswith("arn:aws:logs:us-east-1:000000000000:log-group:" + GROUP) and groups[0]["creationTime"]
    streams = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert stream in [one["logStreamName"] for one in streams]
    assert re.match(r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$", stream)
    assert logs.describe_log_groups(logGroupNamePrefix="/nowhere")["logGroups"] == []


def test_a_call_leaves_its_lines_in_order(lam, logs, talks):
    answer = call(lam, talks, {"who": "ada", "lines": 3})
    until(lambda: any("line 2 of ada" in event["message"] for event in events(logs)), 5)
    page = logs.get_log_events(logGroupName=GROUP, logStreamName=answer.value, startFromHead=True, limit=10_000)
    messages = [event["message"] for event in page["events"]]
    begin = next(i for i, message in enumerate(messages) if message.startswith(f"START RequestId: {answer.request_id}"))
    mine = messages[begin:]
    assert [message.rstrip("\n") for message in mine[1:4]] == [f"line {i} of ada" for i in range(3)]
    assert mine[4].startswith(f"END RequestId: {answer.request_id}") and mine[5].startswith(f"REPORT RequestId: {answer.request_id}")
    stamps = [event["timestamp"] for event in page["events"]]
    assert stamps == sorted(stamps) and abs(stamps[-1] - now_ms()) < 60_000
    assert all(event["ingestionTime"] >= event["timestamp"] - 1000 for event in page["events"])


def test_paging_gives_every_line_once_in_both_directions(lam, logs, talks):
    stream = call(lam, talks, {"who": "pages", "lines": 100}).value
    until(lambda: len(events(logs, filterPattern='"of pages"')) == 100, 5)
    forward, token = [], None
    while True:
        page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True, limit=30,
                                   **({"nextToken": token} if token else {}))
        forward += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert [line.rstrip() for line in forward if "of pages" in line] == [f"line {i} of pages" for i in range(100)]
    backward, token = [], None
    while True:
        page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, limit=30, **({"nextToken": token} if token else {}))
        backward = [event["message"] for event in page["events"]] + backward
        if page["nextBackwardToken"] == token:
            break
        token = page["nextBackwardToken"]
    assert backward == forward


def test_filters_find_what_they_should(lam, logs, talks):
    call(lam, talks, {"text": "alpha beta\nbeta gamma\nGAMMA delta\n"})
    until(lambda: events(logs, filterPattern='"alpha beta"'), 5)
    for pattern, found in [
        ('"alpha beta"', ["alpha beta"]), ("beta", ["alpha beta", "beta gamma"]), ("beta gamma", ["beta gamma"]),
        ("beta -gamma", ["alpha beta"]), ("?alpha ?delta", ["alpha beta", "GAMMA delta"]), ("nothing-of-it", []),
    ]:
        assert [event["message"].rstrip() for event in events(logs, filterPattern=pattern)] == found, pattern


def test_times_and_streams_narrow_the_search(lam, logs, talks):
    call(lam, talks, {"who": "before"})
    until(lambda: events(logs, filterPattern='"of before"'), 5)
    # Both ends of a range are included, and a warm call is done within a millisecond: neither may share the middle's.
    time.sleep(0.005)
    middle = now_ms()
    time.sleep(0.005)
    stream = call(lam, talks, {"who": "after"}).value
    until(lambda: events(logs, filterPattern='"of after"'), 5)
    assert not any("of before" in event["message"] for event in events(logs, startTime=middle))
    assert not any("of after" in event["message"] for event in events(logs, endTime=middle))
    assert {event["logStreamName"] for event in events(logs, logStreamNames=[stream])} == {stream}
    assert events(logs, logStreamNamePrefix="1999/") == []


def test_pages_of_a_filter_add_up(lam, logs, talks):
    call(lam, talks, {"who": "many", "lines": 50})
    until(lambda: len(events(logs, filterPattern='"of many"')) == 50, 5)
    small = events(logs, filterPattern='"of many"', limit=7)
    assert [event["message"].rstrip() for event in small] == [f"line {i} of many" for i in range(50)]
    assert len({event["eventId"] for event in small}) == 50


def test_what_is_not_there_is_said_so(logs):
    for action in (lambda: logs.filter_log_events(logGroupName="/aws/lambda/nobody"),
                   lambda: logs.describe_log_streams(logGroupName="/aws/lambda/nobody"),
                   lambda: logs.get_log_events(logGroupName=GROUP, logStreamName="nothing")):
        status, kind, text = refused(action)
        assert (status, kind) == (400, "ResourceNotFoundException") and text


def test_odd_bytes_long_lines_and_no_line_end(lam, logs, talks):
    call(lam, talks, {"text": "é☃😀\n\n   spaces   \n" + "y" * 300_000 + "\nno end"})
    until(lambda: events(logs, filterPattern='"no end"'), 5)
    messages = [event["message"] for event in events(logs)]
    assert any(message.rstrip("\n") == "é☃😀" for message in messages)
    assert sum(message.count("y") for message in messages if message.startswith("y")) == 300_000
    assert max(len(message.encode()) for message in messages) <= 262_144


def test_lines_outlive_the_function_and_the_server(start_server):
    from harness.calls import client, create
    server = start_server()
    lam = client(server)
    create(lam, "talks", python(TALKS))
    call(lam, "talks", {"who": "kept"})
    lam.delete_function(FunctionName="talks")
    assert server.stop() == 0
    server.start()
    assert any("of kept" in event["message"] for event in events(client(server, "logs")))


def test_a_group_of_ones_own(lam, logs, deploy):
    name = deploy(python(TALKS), LoggingConfig={"LogFormat": "Text", "LogGroup": "/shared/group"})
    call(lam, name, {"who": "shared"})
    until(lambda: any("of shared" in event["message"] for event in events(logs, logGroupName="/shared/group")), 5)


def tail(server, *words):
    return [AWS_2, "--endpoint-url", server.url, "logs", "tail", GROUP, *words]


@needs_aws_2
def test_aws_logs_tail(server, lam, talks):
    call(lam, talks, {"who": "tail"})
    shown = lambda *words: run(tail(server, "--since", "5m", *words), environment(server), 0).stdout
    until(lambda: "of tail" in shown(), 10)
    short = shown("--format", "short")
    assert "START RequestId" in short and "REPORT RequestId" in short


@needs_aws_2
def test_aws_logs_tail_follows(server, lam, talks):
    follower = subprocess.Popen(tail(server, "--follow", "--since", "1s"), env=environment(server, PYTHONUNBUFFERED="1"),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
    seen = []
    threading.Thread(target=lambda: seen.extend(iter(follower.stdout.readline, "")), daemon=True).start()
    try:
        for i in range(3):
            call(lam, talks, {"who": f"follower {i}"})
            until(lambda i=i: any(f"of follower {i}" in line for line in seen), 20, lambda: f"saw only {seen}")
        assert follower.poll() is None, seen
        assert all(sum(f"of follower {i}" in line for line in seen) == 1 for i in range(3)), seen
    finally:
        follower.kill()
        follower.wait()


def test_kept_lines_are_bounded(server):
    size = sum(path.stat().st_size for path in (server.data / "logs").rglob("*") if path.is_file()) if os.path.isdir(server.data / "logs") else 0
    assert size < 50_000_000
