"""Streamed answers: boto3's event stream, the order of bytes, back-pressure, and every way a stream can end."""
import base64
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.calls import call, refused, report_fields
from harness.packages import NODE, guest, package, python
from harness.signing import signed
from harness.wait import until

needs_node = pytest.mark.skipif(not NODE, reason="no node on this machine")

STREAMER = """
    const { setTimeout: sleep } = require('timers/promises');
    exports.handler = awslambda.streamifyResponse(async (event, out, context) => {
        out.setContentType('text/plain');
        if (event.fail === 'first') throw new TypeError('before any byte');
        out.write('first ');
        if (event.pause) await sleep(event.pause);
        if (event.fail === 'mid') throw new TypeError('in the middle');
        if (event.fail === 'exit') process.exit(3);
        if (event.fail === 'hang') await sleep(60000);
        const piece = Buffer.alloc(event.size ?? 0, 'x');
        for (let i = 0; i < (event.pieces ?? 0); i++) {
            if (!out.write(piece)) await new Promise((done) => out.once('drain', done));
            if (i % 10 === 0) console.log(`piece ${i}`);
        }
        out.end('last');
    });
    """


@pytest.fixture(scope="module")
def streamer(deploy):
    return deploy(package({"index.js": STREAMER}), "streamer", runtime=NODE, handler="index.handler", Timeout=20)


def events(lam, name, event, **more):
    """Each event of the stream with the time at which it came."""
    reply = lam.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), **more)
    assert reply["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    return reply, [(time.monotonic(), one) for one in reply["EventStream"]]


def read(lam, name, event, **more):
    """All bytes, and the last event's fields."""
    _, all_events = events(lam, name, event, **more)
    assert "InvokeComplete" in all_events[-1][1]
    body = b"".join(one["PayloadChunk"]["Payload"] for _, one in all_events[:-1])
    return body, all_events[-1][1]["InvokeComplete"]


@needs_node
def test_the_first_bytes_come_while_the_function_still_runs(lam, streamer):
    read(lam, streamer, {})
    began = time.monotonic()
    reply, all_events = events(lam, streamer, {"pause": 1500}, LogType="Tail")
    assert all_events[0][1]["PayloadChunk"]["Payload"] == b"first "
    assert all_events[0][0] - began < 1.0 and all_events[-1][0] - all_events[0][0] > 1.0
    complete = all_events[-1][1]["InvokeComplete"]
    assert "ErrorCode" not in complete
    log = base64.b64decode(complete["LogResult"]).decode()
    assert log.startswith(f"START RequestId: {reply['ResponseMetadata']['RequestId']} ")
    assert float(report_fields(log)["duration"]) > 1500, "the report counts to the stream's end"
    assert (reply["StatusCode"], reply["ExecutedVersion"]) == (200, "$LATEST")


@needs_node
def test_bytes_arrive_as_they_were_written(lam, streamer):
    body, complete = read(lam, streamer, {"pieces": 300, "size": 100_000})
    assert body == b"first " + b"x" * 30_000_000 + b"last" and "ErrorCode" not in complete


@needs_node
@pytest.mark.parametrize("how, body, type_name", [
    ("first", b"", "TypeError"), ("mid", b"first ", "TypeError"), ("exit", b"first ", "Runtime.ExitError"),
])
def test_a_failure_is_told_at_the_end(lam, streamer, how, body, type_name):
    got, complete = read(lam, streamer, {"fail": how, "pause": 50}, LogType="Tail")
    assert got == body and complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"])["errorType"] == type_name
    assert "REPORT" in base64.b64decode(complete["LogResult"]).decode()
    assert read(lam, streamer, {})[0] == b"first last", "and the next call goes on"


@needs_node
def test_a_stream_that_runs_into_its_timeout(lam, deploy):
    name = deploy(package({"index.js": STREAMER}), runtime=NODE, handler="index.handler", Timeout=1)
    body, complete = read(lam, name, {"fail": "hang"})
    assert body == b"first "
    assert "Task timed out after 1.00 seconds" in json.loads(complete["ErrorDetails"])["errorMessage"]


@needs_node
def test_a_streaming_function_answers_a_plain_call_whole(lam, streamer):
    answer = call(lam, streamer, {"pieces": 2, "size": 3}, tail=False)
    assert (answer.raw, answer.error) == (b"first xxxxxxlast", None)
    failed = call(lam, streamer, {"fail": "mid"})
    assert failed.error == "Unhandled" and failed.value["errorMessage"] == "in the middle"
    large = call(lam, streamer, {"pieces": 63, "size": 100_000})
    assert large.value["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_plain_function_answers_a_streaming_call(lam, deploy):
    name = deploy(python("def handler(event, context):\n    return event['n'] / event['by']"))
    body, complete = read(lam, name, {"n": 6, "by": 2}, LogType="Tail")
    assert json.loads(body) == 3 and set(complete) == {"LogResult"}
    body, complete = read(lam, name, {"n": 1, "by": 0})
    assert body == b"" and json.loads(complete["ErrorDetails"])["errorType"] == "ZeroDivisionError"


def test_a_function_on_the_rust_client_streams(lam, deploy):
    name = deploy(guest(), runtime="provided.al2023", handler="bootstrap")
    reply, all_events = events(lam, name, {"do": "stream", "pieces": 3, "bytes": 5, "pause_ms": 300})
    assert all_events[-1][0] - all_events[0][0] > 0.5
    body = b"".join(one["PayloadChunk"]["Payload"] for _, one in all_events[:-1])
    assert body.split(b"\0" * 8)[1] == b"xxxxx" * 3, "behind the prelude that this client always sends"
    body, complete = read(lam, name, {"do": "stream", "pieces": 2, "bytes": 1, "fail": True})
    assert body.endswith(b"\0xx") and complete["ErrorDetails"] == "user body write aborted"


@needs_node
def test_a_slow_reader_slows_the_function_down(server, lam, logs, streamer):
    """Two hundred pieces of 100 kB cannot all be under way while nobody reads."""
    read(lam, streamer, {})
    request = signed(server, "POST", f"/2021-11-15/functions/{streamer}/response-streaming-invocations",
                     json.dumps({"pieces": 500, "size": 100_000}).encode())
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.sendall(wire(request))
        first = stream.recv(100)
        assert first.startswith(b"HTTP/1.1 200 OK")
        said = lambda: [e["message"] for e in logs.filter_log_events(
            logGroupName=f"/aws/lambda/{streamer}", filterPattern='"piece"')["events"]]
        until(said, 10)
        time.sleep(0.5)
        assert not any(line.strip().endswith("piece 490") for line in said())
        stream.settimeout(20)
        rest = b""
        while not rest.endswith(b"0\r\n\r\n"):
            rest = (rest + stream.recv(1 << 20))[-4096:]
    assert b"InvokeComplete" in rest


@needs_node
def test_clients_that_vanish_stop_no_function_and_nobody_else(server, lam, streamer):
    """Each is gone in the middle of its stream; what they asked for is in the books, and service goes on."""
    read(lam, streamer, {})

    def vanish(_):
        request = signed(server, "POST", f"/2021-11-15/functions/{streamer}/response-streaming-invocations",
                         json.dumps({"pieces": 20, "size": 10_000, "pause": 200}).encode())
        with socket.create_connection(("127.0.0.1", server.port)) as stream:
            stream.sendall(wire(request))
            stream.recv(50)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(vanish, range(40)))
    assert read(lam, streamer, {"pieces": 3, "size": 10})[0] == b"first " + b"x" * 30 + b"last"


def test_what_is_refused_is_refused_before_any_stream(lam, deploy):
    name = deploy(python("def handler(event, context):\n    return 1"))
    assert refused(lam.invoke_with_response_stream, FunctionName="absent", Payload="{}")[:2] == (404, "ResourceNotFoundException")
    assert refused(lam.invoke_with_response_stream, FunctionName=name, Payload="{nope")[:2] == (400, "InvalidRequestContentException")
    assert refused(lam.invoke_with_response_stream, FunctionName=name, InvocationType="Event")[:2] == (400, "ValidationException")
    assert lam.invoke_with_response_stream(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204


def wire(request) -> bytes:
    path = request.url.split("/", 3)[3]
    head = f"{request.method} /{path} HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items())
    host = "" if "host" in {name.lower() for name in request.headers} else f"Host: {request.url.split('/')[2]}\r\n"
    return (head + host + "\r\n").encode() + request.body
