"""Invoke: types of invocation, what the function is told, what the caller is told."""
import base64
import json
import re

import pytest

from harness.calls import call, create, refused, settled
from harness.packages import python
from harness.server import ACCOUNT, REGION

ECHO = python("""
    import os

    def handler(event, context):
        if isinstance(event, dict) and event.get("pad"):
            print("x" * event["pad"])
        client = context.client_context
        return {
            "event": event,
            "arn": context.invoked_function_arn,
            "id": context.aws_request_id,
            "client": client and [client.client.installation_id, client.custom, client.env],
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
            "pid": os.getpid(),
        }
    """)
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"


@pytest.fixture(scope="module")
def echo(deploy):
    return deploy(ECHO, "echo", MemorySize=256)


@pytest.mark.parametrize("event", [{}, {"a": [1, 2.5, None, True]}, [], "text", 7, None, {"ü": "é\u2028☃"}])
def test_any_json_goes_in_and_comes_out(lam, echo, event):
    answer = call(lam, echo, raw=json.dumps(event).encode())
    assert (answer.status, answer.error, answer.version) == (200, None, "$LATEST")
    assert answer.value["event"] == event


def test_no_body_is_an_empty_object(lam, echo):
    assert call(lam, echo, raw=b"").value["event"] == {}


def test_caller_and_function_know_the_call_by_one_id(lam, echo):
    answer = call(lam, echo)
    assert answer.request_id == answer.value["id"]
    assert f"START RequestId: {answer.request_id} Version: $LATEST" in answer.log
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amzn-remapped-content-length"] == "0"
    assert answer.headers["x-amzn-trace-id"].startswith("Root=1-")


def test_the_arn_is_as_the_caller_wrote_it(lam, echo):
    assert call(lam, "echo").value["arn"] == ARN + "echo"
    assert call(lam, "echo", Qualifier="$LATEST").value["arn"] == ARN + "echo:$LATEST"


def test_the_sandbox_is_used_again(lam, echo):
    first = call(lam, echo)
    second = call(lam, echo)
    assert first.value["pid"] == second.value["pid"]
    assert second.report["init"] is None


def test_dry_run_checks_and_runs_nothing(lam, deploy):
    name = deploy(python("raise SystemExit(1)"))
    reply = lam.invoke(FunctionName=name, InvocationType="DryRun")
    assert reply["StatusCode"] == 204 and reply["Payload"].read() == b""
    assert refused(lam.invoke, FunctionName="missing", InvocationType="DryRun")[0] == 404


def test_tail_holds_the_last_four_kilobytes(lam, echo):
    answer = call(lam, echo, {"pad": 10_000})
    assert answer.log_bytes <= 4096
    assert re.search(r"REPORT RequestId: .*\t\n$", answer.log)
    whole = call(lam, echo).log
    assert [line.split(" ")[0] for line in whole.splitlines()] == ["START", "END", "REPORT"]


def test_no_tail_unless_asked_for(lam, echo):
    answer = call(lam, echo, tail=False)
    assert answer.log == "" and "x-amz-log-result" not in answer.headers


def test_client_context_reaches_the_function(lam, echo):
    context = {"client": {"installation_id": "phone"}, "custom": {"k": "v"}, "env": {"e": "f"}}
    encoded = base64.b64encode(json.dumps(context).encode()).decode()
    assert call(lam, echo, ClientContext=encoded).value["client"] == ["phone", {"k": "v"}, {"e": "f"}]
    assert call(lam, echo).value["client"] is None


def test_a_trace_goes_through(lam, echo, server):
    def add(request, **_):
        request.headers["X-Amzn-Trace-Id"] = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    lam.meta.events.register("before-sign.lambda.Invoke", add)
    try:
        trace = call(lam, echo).value["trace"]
    finally:
        lam.meta.events.unregister("before-sign.lambda.Invoke", add)
    assert trace.startswith("Root=1-5759e988-bd862e3fe1be46a994272793") and "Sampled=1" in trace
    assert call(lam, echo).value["trace"].startswith("Root=1-")


def test_what_is_not_json_is_refused(lam, echo):
    status, kind, text = refused(lam.invoke, FunctionName=echo, Payload=b"{not json")
    assert (status, kind) == (400, "InvalidRequestContentException")
    assert text.startswith("Could not parse request body into json: ")


def test_an_event_over_six_mebibytes_is_refused(lam, echo):
    limit = 6_291_456
    fits = b'"' + b"x" * (limit - 2) + b'"'
    assert lam.invoke(FunctionName=echo, Payload=fits)["StatusCode"] == 200
    status, kind, text = refused(lam.invoke, FunctionName=echo, Payload=fits[:-1] + b'x"')
    assert (status, kind) == (413, "RequestEntityTooLargeException")
    assert text == f"{limit + 1} byte payload is too large for the RequestResponse invocation type (limit {limit} bytes)"


def test_a_failed_function_cannot_be_called(lam, server):
    name = "no-bootstrap"
    create(lam, name, python("x = 1"), runtime="provided.al2023", active=False)
    status, answer = None, None
    try:
        answer = call(lam, name)
    except lam.exceptions.ResourceConflictException as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    # Found out at deploy (409) or at the first start (Runtime.InvalidEntrypoint): both say so.
    assert status == 409 or (answer.error == "Unhandled" and answer.value["errorType"] == "Runtime.InvalidEntrypoint")


def test_a_call_while_pending_is_told_so(lam):
    """The state is too short-lived to meet by chance, so many functions are made and called at once."""
    seen = set()
    for i in range(20):
        name = f"pending-{i}"
        create(lam, name, ECHO, active=False)
        try:
            call(lam, name)
        except lam.exceptions.ResourceConflictException as error:
            seen.add(error.response["Error"]["Message"])
    assert seen <= {"The operation cannot be performed at this time. "
                    "The function is currently in the following state: Pending"}
    for i in range(20):
        settled(lam, f"pending-{i}")


def test_null_is_what_a_handler_without_a_return_answers(lam, deploy):
    name = deploy(python("def handler(event, context): pass"))
    assert call(lam, name).raw == b"null"
