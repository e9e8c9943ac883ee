"""Web functions: a server of the function's own, run unmodified, behind its URL."""
import base64
import http.client
import json
import socket
import threading
import time
from pathlib import Path

import pytest
import requests

from harness import leftovers
from harness.calls import REPORT, call, create, refused, settled
from harness.commands import lacewing
from harness.packages import package
from harness.signing import send, signed
from harness.wait import until

from test_urls import Url, public

SERVER = (Path(__file__).parent.parent / "functions" / "web_server.py").read_text()
CONFIG = "[scaling]\nkeep_alive_seconds = 3\n"


def web(lam, name, command="python3 app.py", source=SERVER, timeout=10, memory=256, files=None, **variables):
    """Deploys a server; returns the host of its URL."""
    variables = {"LACEWING_WEB_COMMAND": command, **variables}
    create(lam, name, package({"app.py": source, **(files or {})}), Timeout=timeout, MemorySize=memory,
           Environment={"Variables": variables})
    return public(lam, name)


def lines(logs, name):
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    return [event["message"].rstrip("\n") for event in events]


def report_of(logs, name, request_id):
    """The REPORT line of a request."""
    def look():
        found = [REPORT.search(line) for line in lines(logs, name)]
        return next((line.groupdict() for line in found if line and line["id"] == request_id), None)
    return until(look, why=lambda: "\n".join(lines(logs, name)))


@pytest.fixture(scope="module")
def app(server, lam):
    return Url(server, web(lam, "app"))


def test_a_request_reaches_the_server_as_it_came_and_its_answer_the_client(app):
    reply = app("POST", "/echo?a=1&b=%20x&status=201", b"\x00\xffbody", [
        ("Content-Type", "application/x-thing"), ("Cookie", "c=d; e=f"), ("X-Many", "1"), ("X-Many", "2"),
        ("X-Amzn-RequestId", "forged"), ("Connection", "keep-alive, X-Hop"), ("X-Hop", "h"), ("X-Forwarded-For", "9.9.9.9")])
    seen = json.loads(reply.read())
    assert (reply.status, reply.reason) == (201, "Created")
    assert reply.getheader("set-cookie") == "a=b; Path=/" and reply.getheader("x-own") == "yes"
    assert reply.getheader("content-length") and reply.getheader("transfer-encoding") is None
    assert (seen["method"], seen["path"]) == ("POST", "/echo?a=1&b=%20x&status=201")
    assert base64.b64decode(seen["body"]) == b"\x00\xffbody"
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["host"] == app.host and headers["cookie"] == "c=d; e=f" and headers["x-many"] in ("1", "2")
    assert headers["x-forwarded-for"] == "9.9.9.9, 127.0.0.1" and headers["x-forwarded-proto"] == "http"
    assert headers["x-amzn-requestid"] == reply.getheader("x-amzn-requestid") != "forged"
    assert "x-hop" not in headers and headers["x-amzn-trace-id"].startswith("Root=")


def test_the_environment_is_a_servers_and_not_a_handlers(app):
    seen = json.loads(app("GET", "/echo").read())["environment"]
    assert seen["PORT"] == "3000" and seen["AWS_LAMBDA_HTTP_ENDPOINT"] == "0.0.0.0:3000"
    assert seen["AWS_REGION"] and seen["AWS_SESSION_TOKEN"] and seen["AWS_ENDPOINT_URL_LAMBDA"]
    assert not {"_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_EXECUTION_ENV"} & seen.keys()


def test_heads_and_errors_of_the_application_are_its_own(app):
    reply = app("HEAD", "/echo")
    assert (reply.status, reply.read()) == (200, b"") and int(reply.getheader("content-length")) > 0
    reply = app("GET", "/nothing")
    assert (reply.status, reply.read()) == (404, b"nothing here")


def test_several_requests_run_in_one_sandbox_at_a_time(app, lam):
    def one():
        answers.append(app("GET", "/together?n=8").read())
    answers = []
    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [b"together"] * 8, "each of them answers only once all have come"


def test_more_requests_than_one_runs_start_another(server, lam, logs):
    url = Url(server, web(lam, "two-at-once", LACEWING_WEB_CONCURRENCY="2"))
    pids = []
    threads = [threading.Thread(target=lambda: pids.append(url("GET", "/slow?s=1.5").getheader("x-amzn-requestid")))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    streams = logs.describe_log_streams(logGroupName="/aws/lambda/two-at-once")["logStreams"]
    assert len(pids) == 4 and len(streams) == 2, streams


def test_bytes_stream_both_ways_as_they_are_written(app, server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", "/stream", skip_host=True)
    connection.putheader("Host", app.host)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    reply = None
    for word in (b"one", b"two", b"three"):
        connection.send(b"%x\r\n%s\r\n" % (len(word), word))
        reply = reply or connection.getresponse()
        assert reply.read1() == word.upper(), "before the next is sent"
    connection.send(b"0\r\n\r\n")
    assert reply.read() == b""


def test_large_bodies_pass_without_being_held(app, server):
    def memory():
        text = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) >> 10
    before, length, piece = memory(), 0, bytes(1 << 20)
    reply = requests.put(f"{server.url}/count", headers={"Host": app.host}, data=(piece for _ in range(100)), timeout=60)
    assert reply.text == str(100 << 20)
    reply = requests.get(f"{server.url}/flood?mib=100", headers={"Host": app.host}, stream=True, timeout=60)
    for part in reply.iter_content(1 << 20):
        length += len(part)
    assert length == 100 << 20 and memory() - before < 60


def test_events_come_one_by_one_and_a_client_that_goes_is_told_to_the_server(app, server, logs):
    reply = requests.get(f"{server.url}/ticks", headers={"Host": app.host}, stream=True, timeout=10)
    assert reply.headers["content-type"] == "text/event-stream"
    got = b""
    for part in reply.iter_content(None):
        got += part
        if b"data: 2\n\n" in got:
            break
    reply.close()
    until(lambda: any("the client is gone" in line for line in lines(logs, "app")))
    report = report_of(logs, "app", reply.headers["x-amzn-requestid"])
    assert report["status"] is None and float(report["duration"]) >= 100


def frame(text: bytes) -> bytes:
    mask = b"\x01\x02\x03\x04"
    return bytes([0x81, 0x80 | len(text)]) + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))


def test_a_websocket_is_joined_through(app, server, logs):
    stream = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    stream.sendall(f"GET /socket HTTP/1.1\r\nHost: {app.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    file = stream.makefile("rb")
    head = b"".join(iter(file.readline, b"\r\n")).decode()
    assert head.startswith("HTTP/1.1 101 ") and "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert "upgrade: websocket" in head.lower()
    for word in (b"hello", b"again"):
        stream.sendall(frame(word))
        assert file.read(2 + len(word)) == bytes([0x81, len(word)]) + word.upper()
    file.close()
    stream.close()
    request_id = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("x-amzn-requestid"))
    assert report_of(logs, "app", request_id)["status"] is None


def test_lines_bear_their_request_and_end_before_its_report(app, logs):
    request_id = app("GET", "/log").getheader("x-amzn-requestid")
    report_of(logs, "app", request_id)
    said = lines(logs, "app")
    start = next(at for at, line in enumerate(said) if line.startswith(f"START RequestId: {request_id}"))
    end = next(at for at, line in enumerate(said) if line.startswith(f"END RequestId: {request_id}"))
    between = said[start + 1:end]
    assert f"a line of {request_id}" in between and "an error without an end" in between


def test_every_request_is_billed_for_its_own_duration(app, logs):
    reply = app("GET", "/slow?s=0.3")
    report = report_of(logs, "app", reply.getheader("x-amzn-requestid"))
    assert 300 <= float(report["duration"]) < 3_000 and int(report["billed"]) >= 300


def test_a_crash_is_a_bad_gateway_and_the_next_request_gets_another_server(app, logs):
    before = json.loads(app("GET", "/echo").read())["pid"]
    reply = app("GET", "/crash")
    assert (reply.status, reply.read()) == (502, b"Internal Server Error")
    assert reply.getheader("x-amzn-errortype") == "InternalServerErrorException"
    until(lambda: any("Status: error\tError Type: Runtime.ExitError" in line for line in lines(logs, "app")))
    assert "about to go" in lines(logs, "app")
    assert app("GET", "/echo").status == 200 and before


@pytest.mark.parametrize("path, text", [
    ("/hang/up", "the server closed the connection without an answer"), ("/nonsense", "the server's answer is no HTTP")])
def test_no_answer_is_a_bad_gateway_and_the_log_says_why(app, logs, path, text):
    reply = app("GET", path)
    assert reply.status == 502
    until(lambda: any(text in line and line.startswith("RequestId: ") for line in lines(logs, "app")))
    assert app("GET", "/echo").status == 200, "the server runs on"


def test_an_answer_that_breaks_off_is_seen_to(app, logs):
    with pytest.raises(http.client.IncompleteRead):
        app("GET", "/break/off").read()
    until(lambda: any("the server's answer broke off" in line for line in lines(logs, "app")))


def test_a_server_that_takes_too_much_memory_is_ended(server, lam, logs):
    url = Url(server, web(lam, "eater", memory=128))
    assert url("GET", "/eat").status == 502
    until(lambda: any("Error Type: Runtime.OutOfMemory" in line for line in lines(logs, "eater")))
    assert url("GET", "/echo").status == 200


def test_a_request_past_its_time_is_given_up_and_disturbs_no_other(server, lam, logs):
    url = Url(server, web(lam, "late", timeout=2))
    answers = []
    other = threading.Thread(target=lambda: answers.append(url("GET", "/slow?s=1.5").status))
    assert url("GET", "/echo").status == 200
    hanging = threading.Thread(target=lambda: answers.append(url("GET", "/slow?s=9").status))
    hanging.start()
    time.sleep(1)
    other.start()
    other.join(20)
    hanging.join(20)
    assert sorted(answers) == [200, 502]
    until(lambda: any("Status: timeout" in line and "Duration: 2000.00 ms" in line for line in lines(logs, "late")))
    assert url("GET", "/echo").status == 200


SILENT = "import time; print('I forgot to listen', flush=True); time.sleep(60)"
ELSEWHERE = """
import http.server, os
http.server.ThreadingHTTPServer(("127.0.0.1", 5000), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.mark.parametrize("name, source, hint", [
    ("silent", SILENT, "Have it listen on the port that the variable PORT names"),
    ("elsewhere", ELSEWHERE, "It listens on port 5000: set the variable PORT=5000")])
def test_a_server_that_never_listens_is_told_how_it_should(server, lam, logs, name, source, hint):
    url = Url(server, web(lam, name, source=source, timeout=30))
    assert url("GET", "/").status == 502
    until(lambda: any("WEB_SERVER_SILENT" in line and hint in line for line in lines(logs, name)))
    assert any("Server.NotListening" in line for line in lines(logs, name)), lines(logs, name)


def test_a_command_that_ends_says_so(server, lam, logs):
    url = Url(server, web(lam, "ended", command="python3 missing.py"))
    assert url("GET", "/").status == 502
    until(lambda: any("WEB_SERVER_ENDED" in line for line in lines(logs, "ended")))
    assert any("No such file" in line for line in lines(logs, "ended")), lines(logs, "ended")


@pytest.mark.parametrize("listens", ["::1", "::", "0.0.0.0"])
def test_any_loopback_address_will_do(server, lam, listens):
    source = SERVER.replace("class Handler", "ThreadingHTTPServer.address_family = __import__('socket').AF_INET6\n\nclass Handler"
                            if ":" in listens else "class Handler")
    name = "at-" + {"::1": "six", "::": "both", "0.0.0.0": "all"}[listens]
    url = Url(server, web(lam, name, source=source, HOST=listens, PORT="8080"))
    assert json.loads(url("GET", "/echo").read())["environment"]["PORT"] == "8080"


def test_an_idle_server_stands_still_and_then_goes(server, lam):
    url = Url(server, web(lam, "resting", command="exec python3 app.py --resting"))
    assert url("GET", "/echo").status == 200
    mine = lambda: {pid for pid in leftovers.tree(server.pid) if "--resting" in " ".join(leftovers.described([pid]))}
    assert len(mine()) == 1
    until(lambda: not mine(), 20, "it was not ended after its keep-alive")
    assert url("GET", "/echo").status == 200, "and comes back"


def test_settings_live_with_the_version(lam, server, own_server):
    host = web(lam, "versioned", LACEWING_WEB_CONCURRENCY="3")
    version = lam.publish_version(FunctionName="versioned")["Version"]
    lam.create_alias(FunctionName="versioned", Name="live", FunctionVersion=version)
    shown = lam.get_function_configuration(FunctionName="versioned", Qualifier=version)
    assert shown["Environment"]["Variables"]["LACEWING_WEB_COMMAND"] == "python3 app.py"
    lam.update_function_configuration(FunctionName="versioned", Environment={
        "Variables": {"LACEWING_WEB_COMMAND": "python3 app.py", "MARK": "new"}})
    settled(lam, "versioned")
    alias = Url(server, public(lam, "versioned", alias="live"))
    assert "MARK" not in json.loads(alias("GET", "/echo").read())["environment"]
    assert json.loads(Url(server, host)("GET", "/echo").read())["environment"]["MARK"] == "new"


@pytest.mark.parametrize("variables, said", [
    ({"LACEWING_WEB_CONCURRENCY": "0"}, "concurrency must be 1 to 128"),
    ({"PORT": "9001"}, "PORT must be a port from 1 to 65535 but for 9001"),
    ({"LACEWING_WEB_COMMAND": " "}, "LACEWING_WEB_COMMAND must be the command that starts the server")])
def test_settings_that_cannot_be_are_refused(lam, variables, said):
    wanted = {"LACEWING_WEB_COMMAND": "x", **variables}
    status, kind, message = refused(create, lam, "never", package({"a": ""}), Environment={"Variables": wanted})
    assert (status, kind) == (400, "InvalidParameterValueException") and said in message


def test_invoked_by_the_api_an_event_of_a_url_is_the_request_it_tells_of(app, lam):
    event = {"version": "2.0", "rawPath": "/echo", "rawQueryString": "status=202", "cookies": ["a=b", "c=d"],
             "headers": {"X-Mine": "1", "connection": "x-mine2", "x-mine2": "2"}, "body": "aGk=", "isBase64Encoded": True,
             "requestContext": {"http": {"method": "PUT"}}}
    answer = call(lam, "app", event)
    assert answer.error is None and answer.value["statusCode"] == 202
    assert answer.value["cookies"] == ["a=b; Path=/"] and answer.value["headers"]["x-own"] == "yes"
    seen = json.loads(answer.value["body"])
    assert (seen["method"], seen["path"], seen["body"]) == ("PUT", "/echo?status=202", "aGk=")
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["x-mine"] == "1" and headers["cookie"] == "a=b; c=d" and "x-mine2" not in headers
    assert headers["x-amzn-requestid"] == answer.request_id and answer.report["id"] == answer.request_id


def test_invoked_by_the_api_any_other_event_is_posted(app, lam):
    answer = call(lam, "app", {"Records": [1]})
    assert answer.error is None and answer.value == "nothing here", "the server has no route /events"
    answer = call(lam, "app", {"rawPath": "/crash", "requestContext": {"http": {"method": "GET"}}})
    assert answer.error == "Unhandled" and answer.value["errorType"] == "Runtime.ExitError"
    assert answer.value["errorMessage"] == f"RequestId: {answer.request_id} Error: Runtime exited with error: exit status 3"


def test_invoked_by_the_api_an_answer_that_is_too_large_as_a_payload_is_an_error(app, lam):
    """Bytes that are no text are a third longer in a payload."""
    event = {"rawPath": "/binary", "requestContext": {"http": {"method": "GET"}}}
    answer = call(lam, "app", {**event, "rawQueryString": "bytes=4000000"})
    assert answer.error is None and len(base64.b64decode(answer.value["body"])) == 4_000_000
    answer = call(lam, "app", {**event, "rawQueryString": "bytes=5000000"})
    assert (answer.error, answer.value["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")


def test_a_signed_url_hands_a_verified_request_on(server, lam):
    create(lam, "signed", package({"app.py": SERVER}), Timeout=10,
           Environment={"Variables": {"LACEWING_WEB_COMMAND": "python3 app.py"}})
    host = public(lam, "signed", auth="AWS_IAM")
    url = Url(server, host)
    assert url("GET", "/echo").status == 403
    reply = send(signed(server, "POST", "/echo", b"signed body", headers={"Host": host}))
    assert reply.status_code == 200 and base64.b64decode(reply.json()["body"]) == b"signed body"


def test_one_command_deploys_an_application_and_shows_its_url(server, lam, tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "app.py").write_text(SERVER)
    made = json.loads(lacewing(server, "deploy", "--web", str(folder), "--concurrency", "7", "--env", "AB=b", "--json").stdout)
    assert (made["command"], made["change"]) == ("python3 app.py", "created")
    assert (made["memory_mib"], made["timeout_seconds"]) == (512, 30)
    url = Url(server, made["url"].split("/")[2])
    seen = json.loads(url("GET", "/echo").read())["environment"]
    assert (seen["AB"], seen["LACEWING_WEB_CONCURRENCY"], seen["PORT"]) == ("b", "7", "3000")
    again = json.loads(lacewing(server, "deploy", "--web", str(folder), "--port", "8081", "--iam", "--json").stdout)
    assert (again["change"], again["url"]) == ("updated", made["url"])
    variables = lam.get_function_configuration(FunctionName="shop")["Environment"]["Variables"]
    assert (variables["AB"], variables["PORT"], variables["LACEWING_WEB_CONCURRENCY"]) == ("b", "8081", "7")
    assert url("GET", "/echo").status == 403, "only signed requests now"
    (folder / "app.py").write_text("print('no server')")
    told = lacewing(server, "deploy", "--web", str(folder), expect=None)
    assert told.returncode != 0 and "what starts the server cannot be decided" in told.stderr and "--command" in told.stderr


def test_an_asynchronous_event_reaches_the_server_too(app, lam, logs):
    event = {"rawPath": "/log", "requestContext": {"http": {"method": "GET"}}}
    reply = lam.invoke(FunctionName="app", InvocationType="Event", Payload=json.dumps(event))
    assert reply["StatusCode"] == 202
    request_id = reply["ResponseMetadata"]["RequestId"]
    until(lambda: any(f"a line of {request_id}" in line for line in lines(logs, "app")))
