"""Every way in which a call can end: payload, header, log lines and what becomes of the sandbox."""
import json
import re
import socket
import threading

import pytest

from harness.calls import call, client, create, refused
from harness.packages import NATIVE, PYTHON, guest, package, python, shell
from harness.signing import signed
from harness.wait import until

# Marks its sandbox in /tmp and counts the calls of its process, then ends as the event asks.
ACTS = """
    import ctypes, os, sys, time
    calls = 0

    def handler(event, context):
        global calls
        calls += 1
        seen = os.path.exists("/tmp/mark")
        open("/tmp/mark", "w").close()
        print("acting", event.get("do"))
        do = event.get("do")
        if do == "raise":
            raise ValueError("as asked")
        if do == "sleep":
            time.sleep(event["seconds"])
        if do == "exit":
            os._exit(event["code"])
        if do == "sys.exit":
            sys.exit(event["code"])
        if do == "segfault":
            ctypes.string_at(0)
        if do == "eat":
            block = []
            while True:
                block.append(bytearray(b"x" * 4_000_000))
        if do == "big":
            return "x" * event["bytes"]
        if do == "unserialisable":
            return {1, 2}
        return {"calls": calls, "seen": seen}
    """


@pytest.fixture(scope="module")
def acts(deploy):
    return deploy(python(ACTS), "acts", Timeout=2, MemorySize=256)


def lines(answer):
    """The log lines of a call, without their variable parts."""
    known = answer.log.replace(answer.request_id, "ID")
    return [re.sub(r"\d+\.\d\d ms", "N ms", line) for line in known.splitlines()]


def first_words(answer):
    return [line.split(" ")[0] for line in lines(answer)]


def test_success_writes_start_end_and_report_with_exact_fields(lam, deploy):
    name = deploy(python("def handler(event, context): print('hi'); return 1"))
    cold = call(lam, name)
    assert cold.error is None and cold.value == 1
    assert cold.log.startswith("INIT_START Runtime Version: ") or cold.log.startswith("START ")
    report = cold.report
    assert report["id"] == cold.request_id and report["size"] == "128" and report["status"] is None
    assert 0 < int(report["used"]) <= 128 and float(report["init"]) > 0
    billed, exact = int(report["billed"]), float(report["duration"]) + float(report["init"])
    assert exact - 0.02 <= billed < exact + 1.02
    assert f"END RequestId: {cold.request_id}\n" in cold.log and "hi\n" in cold.log
    assert cold.log.endswith("\t\n")
    warm = call(lam, name)
    assert first_words(warm) == ["START", "hi", "END", "REPORT"]
    assert warm.report["init"] is None


def test_an_error_of_the_handler_keeps_the_process(lam, acts):
    first = call(lam, acts)
    answer = call(lam, acts, {"do": "raise"})
    assert (answer.status, answer.error) == (200, "Unhandled")
    value = answer.value
    assert (value["errorType"], value["errorMessage"], value["requestId"]) == ("ValueError", "as asked", answer.request_id)
    assert any("/var/task/app.py" in frame for frame in value["stackTrace"])
    assert "[ERROR] ValueError: as asked" in answer.log and "Traceback" in answer.log
    assert answer.report["status"] is None
    assert call(lam, acts).value["calls"] == first.value["calls"] + 2


def test_a_timeout_restarts_the_process_in_the_same_sandbox(lam, acts):
    call(lam, acts)
    answer = call(lam, acts, {"do": "sleep", "seconds": 30})
    assert answer.error == "Unhandled"
    assert answer.value == {"errorType": "Sandbox.Timedout",
                            "errorMessage": f"RequestId: {answer.request_id} Error: Task timed out after 2.00 seconds"}
    report = answer.report
    assert (report["duration"], report["status"]) == ("2000.00", "timeout")
    assert call(lam, acts).value == {"calls": 1, "seen": True}


@pytest.mark.parametrize("event, message, kind", [
    ({"do": "exit", "code": 0}, "Runtime exited without providing a reason", "Runtime.ExitError"),
    ({"do": "exit", "code": 3}, "Runtime exited with error: exit status 3", "Runtime.ExitError"),
    ({"do": "segfault"}, "Runtime exited with error: signal: segmentation fault", "Runtime.ExitError"),
])
def test_a_process_that_ends_is_started_again_in_its_sandbox(lam, acts, event, message, kind):
    call(lam, acts)
    answer = call(lam, acts, event)
    assert answer.error == "Unhandled" and answer.value["errorType"] == kind
    text = answer.value["errorMessage"]
    assert text.startswith(f"RequestId: {answer.request_id} Error: Runtime exited"), text
    assert text == f"RequestId: {answer.request_id} Error: {message}" or "without providing a reason" in text
    assert (answer.report["status"], answer.report["type"]) == ("error", "Runtime.ExitError")
    assert call(lam, acts).value == {"calls": 1, "seen": True}


def test_sys_exit_ends_the_process_too(lam, acts):
    answer = call(lam, acts, {"do": "sys.exit", "code": 4})
    assert answer.error == "Unhandled" and answer.value["errorType"] == "Runtime.ExitError"
    assert call(lam, acts).value["calls"] == 1


def test_out_of_memory_says_so_and_the_neighbour_stays(lam, acts, deploy):
    neighbour = deploy(python("def handler(event, context): return 'fine'"))
    assert call(lam, neighbour).value == "fine"
    answer = call(lam, acts, {"do": "eat"})
    assert answer.error == "Unhandled" and answer.value["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError")
    assert answer.value["errorMessage"].endswith("Runtime exited with error: signal: killed")
    report = answer.report
    assert (report["status"], report["type"], report["used"]) == ("error", "Runtime.OutOfMemory", "256")
    assert call(lam, neighbour).value == "fine"
    assert call(lam, acts).value["calls"] == 1


def test_an_answer_over_the_limit_is_the_functions_error(lam, acts):
    limit = 6 * 1024 * 1024 + 100
    assert len(call(lam, acts, {"do": "big", "bytes": limit - 2}).raw) == limit
    before = call(lam, acts).value["calls"]
    answer = call(lam, acts, {"do": "big", "bytes": limit - 1})
    assert answer.error == "Unhandled" and answer.value == {
        "errorMessage": f"Response payload size exceeded maximum allowed payload size ({limit} bytes).",
        "errorType": "Function.ResponseSizeTooLarge"}
    assert call(lam, acts).value["calls"] == before + 2


def test_an_answer_that_is_no_json_is_told(lam, acts):
    answer = call(lam, acts, {"do": "unserialisable"})
    assert answer.error == "Unhandled" and answer.value["errorType"] == "Runtime.MarshalError"
    assert "not JSON serializable" in answer.value["errorMessage"]


LOADING = [
    ("an import that fails", "import nothing_of_the_kind", "app.handler", "Runtime.ImportModuleError",
     "Unable to import module 'app': No module named 'nothing_of_the_kind'"),
    ("a handler that is missing", "x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
    ("a module that is missing", "x = 1", "other.handler", "Runtime.ImportModuleError",
     "Unable to import module 'other': No module named 'other'"),
    ("a handler without a dot", "x = 1", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler': "),
    ("a syntax error", "def handler(:", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
    ("an error while loading", "raise KeyError('at load')", "app.handler", "KeyError", "'at load'"),
]


@pytest.mark.parametrize("why, source, handler, kind, text", LOADING, ids=[row[0] for row in LOADING])
def test_init_errors_reach_the_caller(lam, deploy, why, source, handler, kind, text):
    name = deploy(python(source), handler=handler)
    for _ in range(2):
        answer = call(lam, name)
        assert answer.error == "Unhandled" and answer.value["errorType"] == kind, answer.raw
        assert text in answer.value["errorMessage"] and answer.value["requestId"] == ""
    assert "REPORT RequestId: " + answer.request_id in answer.log


def test_an_init_that_exits_is_an_exit(lam, deploy):
    name = deploy(python("import os; os._exit(5)"))
    answer = call(lam, name)
    assert answer.error == "Unhandled" and answer.value["errorType"] == "Runtime.ExitError"
    assert answer.report["status"] == "error"


def test_an_init_over_ten_seconds_is_repeated_inside_the_call(lam, deploy, logs):
    source = """
        import os, time
        if not os.path.exists("/tmp/once"):
            open("/tmp/once", "w").close()
            time.sleep(30)
        def handler(event, context): return "at last"
        """
    name = deploy(python(source))
    answer = call(lam, name)
    assert answer.value == "at last"
    pattern = r"INIT_REPORT Init Duration: (9999|100\d\d)\.\d\d ms\tPhase: init\tStatus: timeout"
    until(lambda: re.search(pattern, "".join(messages(logs, name))), 5, lambda: "".join(messages(logs, name)))


def test_a_custom_runtime_without_anything_to_say_exits(lam, deploy):
    answer = call(lam, deploy(shell("exit 127\n"), runtime=NATIVE))
    assert answer.value["errorType"] == "Runtime.ExitError"
    assert answer.value["errorMessage"].startswith(f"RequestId: {answer.request_id} Error: Runtime exited")


def test_a_bootstrap_that_cannot_be_executed_is_an_invalid_entrypoint(lam, deploy):
    for files in ({"other": "x"}, {"bootstrap": ("#!/bin/sh\n", 0o644)}):
        name = f"entrypoint-{len(files)}-{next(iter(files))}"
        try:
            deploy(package(files), name, runtime=NATIVE)
        except AssertionError as error:
            assert "bootstrap" in str(error)
            continue
        answer = call(lam, name)
        assert answer.error == "Unhandled" and answer.value["errorType"] == "Runtime.InvalidEntrypoint", answer.raw


def test_the_official_rust_client_ends_in_every_way(lam, deploy):
    name = deploy(guest(), "rust", runtime=NATIVE, handler="bootstrap")
    assert call(lam, name, {"name": "ada"}).value == {"message": "hello ada"}
    failed = call(lam, name, {"do": "fail"})
    assert failed.error == "Unhandled" and failed.value["errorMessage"] == "the event asked for it"
    panicked = call(lam, name, {"do": "panic"})
    assert panicked.error == "Unhandled" and "the event asked for it" in panicked.value["errorMessage"]
    left = call(lam, name, {"do": "exit"})
    assert left.value["errorType"] == "Runtime.ExitError"
    context = call(lam, name, {"do": "context"})
    assert context.value["request_id"] == context.request_id and context.value["name"] == "rust"


def test_a_client_that_hangs_up_stops_no_function(server, lam, deploy, logs):
    name = deploy(python("""
        import time
        def handler(event, context):
            if event.get("slow"):
                time.sleep(0.5)
                print("finished all the same")
            return "ok"
        """))
    call(lam, name)
    prepared = signed(server, "POST", f"/2015-03-31/functions/{name}/invocations", b'{"slow":true}')
    head = "".join(f"{key}: {value}\r\n" for key, value in prepared.headers.items())
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"POST /2015-03-31/functions/{name}/invocations HTTP/1.1\r\nHost: {server.address}\r\n"
                           f"{head}\r\n".encode() + b'{"slow":true}')
        until(lambda: events(logs, name, "START RequestId") == 2, 10, "the call never began")
    until(lambda: events(logs, name, "finished all the same") == 1, 10, "the function was stopped")
    until(lambda: events(logs, name, "REPORT") == 2, 10, "the call was not settled")
    assert call(lam, name).value == "ok"


def messages(logs, name, **more):
    """The log lines of a function."""
    try:
        return [event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", **more)["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def events(logs, name, word):
    """How many log lines of a function hold `word`."""
    return len(messages(logs, name, filterPattern=f'"{word}"'))


def test_a_server_that_is_stopped_lets_calls_finish_and_takes_no_more(start_server):
    server = start_server()
    lam = client(server)
    create(lam, "slow", python("import time\ndef handler(event, context): time.sleep(event['s']); return 'done'"), runtime=PYTHON)
    call(lam, "slow", {"s": 0})
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call(lam, "slow", {"s": 1}).value))
    thread.start()
    until(lambda: events(client(server, "logs"), "slow", "START RequestId") == 2, 10, "the call never began")
    assert server.stop() == 0
    thread.join(10)
    assert answers == ["done"]


def test_a_response_is_passed_on_byte_for_byte(lam, deploy):
    """The agent parses nothing: what a custom runtime posts is what the caller gets."""
    name = deploy(shell("""
        while true; do
            HEAD="$(mktemp)"
            /usr/bin/python3 - <<'END'
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", 9001)
        c.request("GET", "/2018-06-01/runtime/invocation/next")
        r = c.getresponse(); r.read()
        c.request("POST", "/2018-06-01/runtime/invocation/" + r.getheader("Lambda-Runtime-Aws-Request-Id") + "/response", b"not { json")
        c.getresponse().read()
        END
        done
        """), runtime=NATIVE)
    assert call(lam, name).raw == b"not { json"


def test_a_stopped_call_does_not_hold_up_the_next(lam, acts):
    """Two callers at once, one runs into its timeout: the other has its answer long before."""
    answers = {}
    threads = [threading.Thread(target=lambda e=event: answers.setdefault(e["do"], call(lam, acts, e)))
               for event in ({"do": "sleep", "seconds": 30}, {"do": "quick"})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers["sleep"].error == "Unhandled" and answers["quick"].error is None


def test_unknown_qualifiers_are_not_found(lam, acts):
    for qualifier in ("7", "prod", "$latest"):
        assert refused(lam.invoke, FunctionName=acts, Qualifier=qualifier)[0] == 404
    assert json.loads(call(lam, acts).raw)
