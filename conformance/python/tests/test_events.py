"""Asynchronous calls: taken when they are on the disk, run at least once, retried, ended at their destination."""
import io
import json
import sqlite3
import time

import pytest

from harness.calls import client, create, refused, settled
from harness.packages import python
from harness.wait import until

# Says in its log what it was given, and fails where it is told to.
TOLD = python("""
import json
def handler(event, context):
    print("TOLD " + json.dumps({"id": context.aws_request_id, "arn": context.invoked_function_arn, "event": event}), flush=True)
    if isinstance(event, dict) and event.get("fail"):
        raise RuntimeError("as told")
    return {"got": event}
""")


@pytest.fixture(scope="module")
def told(deploy):
    return deploy(TOLD, "told")


def heard(logs, name):
    """What the function said, in order."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}", filterPattern="TOLD")
    try:
        return [json.loads(event["message"].split("TOLD ", 1)[1]) for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []  # it has said nothing yet: there is no group


def send(lam, name, event, **more):
    reply = lam.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event), **more)
    assert reply["StatusCode"] == 202 and reply["Payload"].read() == b""
    return reply["ResponseMetadata"]["RequestId"]


def test_an_event_is_run_under_the_id_that_the_caller_was_told(lam, logs, told):
    request = send(lam, told, {"n": 1})
    line = until(lambda: next((line for line in heard(logs, told) if line["id"] == request), None))
    assert line["event"] == {"n": 1} and line["arn"].endswith(f":function:{told}")


def test_the_older_operation_says_the_same(lam, logs, told):
    assert lam.invoke_async(FunctionName=told, InvokeArgs=io.BytesIO(b'{"older": true}'))["Status"] == 202
    until(lambda: any(line["event"] == {"older": True} for line in heard(logs, told)))


def test_an_alias_is_meant_as_it_was_written(lam, logs, told):
    version = lam.publish_version(FunctionName=told)["Version"]
    lam.create_alias(FunctionName=told, Name="live", FunctionVersion=version)
    request = send(lam, told, {}, Qualifier="live")
    until(lambda: any(line["id"] == request and line["arn"].endswith(":live") for line in heard(logs, told)))


def test_what_cannot_be_queued_is_refused_before_the_answer(lam, told):
    assert refused(lam.invoke, FunctionName="nobody", InvocationType="Event")[:2] == (404, "ResourceNotFoundException")
    status, kind, _ = refused(lam.invoke, FunctionName=told, InvocationType="Event", Payload=b"{no json")
    assert (status, kind) == (400, "InvalidRequestContentException")
    status, kind, text = refused(lam.invoke, FunctionName=told, InvocationType="Event", Payload=b'"' + b"x" * (1 << 20) + b'"')
    assert (status, kind) == (413, "RequestEntityTooLargeException") and "Event invocation type (limit 1048576 bytes)" in text


def test_a_success_goes_to_its_destination(lam, logs, deploy, told):
    source = deploy(TOLD, "succeeds")
    arn = lam.get_function_configuration(FunctionName=told)["FunctionArn"]
    lam.put_function_event_invoke_config(FunctionName=source, DestinationConfig={"OnSuccess": {"Destination": arn}})
    request = send(lam, source, {"n": 2})
    record = until(lambda: next((line["event"] for line in heard(logs, told)
                                 if line["event"].get("requestContext", {}).get("requestId") == request), None))
    assert record["requestContext"] == {"requestId": request, "functionArn": f"{arn.rsplit(':', 1)[0]}:{source}:$LATEST",
                                        "condition": "Success", "approximateInvokeCount": 1}
    assert (record["version"], record["requestPayload"], record["responsePayload"]) == ("1.0", {"n": 2}, {"got": {"n": 2}})
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}


def test_a_failure_that_may_not_be_retried_goes_to_its_destination_at_once(lam, logs, deploy, told):
    source = deploy(TOLD, "fails")
    arn = lam.get_function_configuration(FunctionName=told)["FunctionArn"]
    lam.put_function_event_invoke_config(FunctionName=source, MaximumRetryAttempts=0,
                                         DestinationConfig={"OnFailure": {"Destination": arn}})
    request = send(lam, source, {"fail": True})
    record = until(lambda: next((line["event"] for line in heard(logs, told)
                                 if line["event"].get("requestContext", {}).get("requestId") == request), None))
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["responseContext"]["functionError"] == "Unhandled" and record["responsePayload"]["errorMessage"] == "as told"
    assert len([line for line in heard(logs, source) if line["id"] == request]) == 1


def test_a_function_that_is_switched_off_hands_its_events_on(lam, logs, deploy, told):
    source = deploy(TOLD, "off")
    arn = lam.get_function_configuration(FunctionName=told)["FunctionArn"]
    lam.put_function_event_invoke_config(FunctionName=source, DestinationConfig={"OnFailure": {"Destination": arn}})
    lam.put_function_concurrency(FunctionName=source, ReservedConcurrentExecutions=0)
    request = send(lam, source, {"n": 3})
    record = until(lambda: next((line["event"] for line in heard(logs, told)
                                 if line["event"].get("requestContext", {}).get("requestId") == request), None))
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency" and "responsePayload" not in record


def rows(server, question):
    with sqlite3.connect(f"file:{server.data}/lacewing.db?mode=ro", uri=True) as database:
        return database.execute(question).fetchall()


def test_a_failure_waits_a_minute_for_its_retry_and_a_dead_letter_is_kept(server, lam, deploy):
    queue = "arn:aws:sqs:us-east-1:000000000000:dead"
    name = deploy(TOLD, "waits", DeadLetterConfig={"TargetArn": queue})
    before = time.time() * 1000
    request = send(lam, name, {"fail": True})
    row = until(lambda: next((row for row in rows(server, "SELECT id, due_ms, failures FROM events") if row[0] == request and row[2] == 1), None))
    assert row[1] >= before + 60_000
    lam.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    last = send(lam, name, {"fail": True, "n": 4})
    until(lambda: any(json.loads(record) == {"fail": True, "n": 4} and destination == queue
                      for destination, record in rows(server, "SELECT destination, record FROM undelivered")))
    assert last not in [row[0] for row in rows(server, "SELECT id FROM events")]


def test_a_result_that_is_too_large_for_its_destination_is_dropped(server, lam, deploy):
    """As on Lambda. It could never run, so it must not wait for the end of its age."""
    target = deploy(TOLD, "too-small")
    large = deploy(python("def handler(event, context): return 'x' * 6_000_000"), "large", MemorySize=256)
    arn = lam.get_function(FunctionName=target)["Configuration"]["FunctionArn"]
    lam.put_function_event_invoke_config(FunctionName=large, DestinationConfig={"OnSuccess": {"Destination": arn}})
    send(lam, large, "y" * 900_000)
    until(lambda: not rows(server, f"SELECT id FROM events WHERE function IN ('{large}', '{target}')"))


def test_a_deleted_functions_events_are_dropped(server, lam, deploy):
    name = deploy(TOLD, "deleted")
    request = send(lam, name, {"fail": True})
    until(lambda: any(row == (request, 1) for row in rows(server, "SELECT id, failures FROM events")))
    lam.delete_function(FunctionName=name)
    assert (request,) in rows(server, "SELECT id FROM events")  # until its retry is due, nobody looks


def test_events_survive_kills_and_each_runs_at_least_once(own_server):
    server = own_server()
    server.start()
    lam, sent = client(server), {}
    create(lam, "told", TOLD)
    queue = "arn:aws:sqs:us-east-1:000000000000:ends"
    lam.put_function_event_invoke_config(FunctionName="told", DestinationConfig={"OnSuccess": {"Destination": queue}})
    for round_ in range(3):
        for n in range(20):
            sent[send(lam, "told", {"n": n, "round": round_})] = (n, round_)
        server.kill()
        server.start()
        lam = client(server)
        settled(lam, "told")
    logs = client(server, "logs")
    until(lambda: rows(server, "SELECT count(*) FROM events") == [(0,)])
    # The end of each is written together with what it answered.
    ended = [json.loads(record)["requestContext"] for _, record in rows(server, "SELECT destination, record FROM undelivered")]
    assert sorted(context["requestId"] for context in ended) == sorted(sent)
    assert {context["condition"] for context in ended} == {"Success"}
    assert heard(logs, "told")
    server.stop()
