"""Calls that go in circles are stopped after sixteen turns, unless the function allows them."""
import json
import time

import pytest

from harness.calls import client, refused
from harness.packages import python, with_boto3
from harness.wait import until

# Calls itself as often as it is told, and says what it was traced as on the way.
TURNS = with_boto3({"app.py": """
import json, os
import boto3

def handler(event, context):
    told = [os.environ["_X_AMZN_TRACE_ID"]]
    if event.get("turns"):
        try:
            reply = boto3.client("lambda").invoke(
                FunctionName=context.function_name, Payload=json.dumps({"turns": event["turns"] - 1}))
            told += json.loads(reply["Payload"].read())
        except Exception as error:
            told.append(error.response["Error"]["Code"])
    return told
"""})
ECHO = python("""
def handler(event, context):
    print("TOLD", flush=True)
    return "on it goes"
""")
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"


def lineage(trace):
    """How often each function is in the chain of calls, by its number."""
    part = next(part for part in trace.split(";") if part.startswith("Lineage="))
    return dict(item.split(":") for item in part.removeprefix("Lineage=").split("|"))


@pytest.fixture(scope="module")
def turns(deploy):
    return deploy(TURNS, "turns", Timeout=60, MemorySize=512)


@pytest.fixture
def traced(server):
    """A client whose calls come with a trace."""
    def make(trace):
        lam = client(server)
        lam.meta.events.register("before-sign.lambda.Invoke", lambda request, **_: request.headers.replace_header(
            "X-Amzn-Trace-Id", trace) if "X-Amzn-Trace-Id" in request.headers else request.headers.add_header("X-Amzn-Trace-Id", trace))
        return lam
    return make


def invoke(lam, name, **event):
    return json.loads(lam.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read())


def number(lam, name):
    """The function's number in lineages."""
    return next(iter(lineage(invoke(lam, name)[0])))


def test_the_lineage_counts_and_keeps_the_root(traced, turns):
    told = invoke(traced(ROOT), turns, turns=2)
    assert [list(lineage(trace).values()) for trace in told] == [["1"], ["2"], ["3"]]
    assert all(trace.startswith(ROOT.split(";")[0]) for trace in told)


def test_the_seventeenth_turn_is_refused(lam, traced, turns):
    own = number(lam, turns)
    told = invoke(traced(f"{ROOT};Lineage=00000001:3|{own}:14"), turns, turns=5)
    assert [trace if "=" not in trace else lineage(trace) for trace in told] == [
        {"00000001": "3", own: "15"}, {"00000001": "3", own: "16"}, "RecursiveInvocationException"]
    status, kind, text = refused(traced(f"{ROOT};Lineage={own}:16").invoke, FunctionName=turns)
    assert (status, kind) == (400, "RecursiveInvocationException") and "recursive loop" in text


def test_a_function_that_allows_it_goes_on(lam, traced, turns):
    own = number(lam, turns)
    lam.put_function_recursion_config(FunctionName=turns, RecursiveLoop="Allow")
    try:
        assert list(lineage(invoke(traced(f"{ROOT};Lineage={own}:16"), turns)[0]).values()) == ["17"]
    finally:
        lam.put_function_recursion_config(FunctionName=turns, RecursiveLoop="Terminate")


def test_destinations_that_form_a_circle_come_to_an_end(lam, logs, deploy):
    ping, pong = deploy(ECHO, "ping"), deploy(ECHO, "pong")
    arn = lam.get_function_configuration(FunctionName=ping)["FunctionArn"].rsplit(":", 1)[0]
    for one, other in [(ping, pong), (pong, ping)]:
        lam.put_function_event_invoke_config(FunctionName=one, MaximumRetryAttempts=0, DestinationConfig={
            "OnSuccess": {"Destination": f"{arn}:{other}"}, "OnFailure": {"Destination": f"{arn}:{other}"}})
    lam.invoke(FunctionName=ping, InvocationType="Event", Payload=b"{}")

    def runs(name):
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}", filterPattern="TOLD")
            return sum(len(page["events"]) for page in pages)
        except logs.exceptions.ResourceNotFoundException:
            return 0
    until(lambda: (runs(ping), runs(pong)) == (16, 16), seconds=60)
    time.sleep(1)  # nothing to wait for: that nothing more comes
    assert (runs(ping), runs(pong)) == (16, 16)
