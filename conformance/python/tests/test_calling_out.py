"""A function that calls the platform itself, under its own role, with the SDK as it is."""
import json

import pytest

from harness.calls import call, client, create, refused, settled
from harness.packages import python, with_boto3
from harness.wait import until

CALLER = """
import json, os
import boto3

def handler(event, context):
    try:
        if event["do"] == "invoke":
            reply = boto3.client("lambda").invoke(FunctionName=event["name"], Payload=json.dumps(event["event"]))
            return json.loads(reply["Payload"].read())
        if event["do"] == "list":
            return [f["FunctionName"] for f in boto3.client("lambda").list_functions()["Functions"]]
        if event["do"] == "delete":
            boto3.client("lambda").delete_function(FunctionName=event["name"])
        if event["do"] == "logs":
            boto3.client("logs").describe_log_groups()
            return "read"
        if event["do"] == "credentials":
            return {key: os.environ[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
        return "nothing"
    except Exception as error:
        return {"refused": getattr(error, "response", {}).get("Error", {}).get("Code", repr(error))}
"""


@pytest.fixture(scope="module")
def caller(deploy):
    return deploy(with_boto3({"app.py": CALLER}), "caller", Timeout=30, MemorySize=512)


@pytest.fixture(scope="module")
def callee(deploy):
    return deploy(python("def handler(event, context): return {'got': event}"), "callee")


def test_a_function_invokes_another_with_boto3(lam, caller, callee):
    answer = call(lam, caller, {"do": "invoke", "name": "callee", "event": {"n": 7}})
    assert answer.value == {"got": {"n": 7}}, answer.log


def test_its_role_may_look_but_not_destroy(lam, caller, callee):
    assert {"caller", "callee"} <= set(call(lam, caller, {"do": "list"}).value)
    assert call(lam, caller, {"do": "logs"}).value == "read"
    assert call(lam, caller, {"do": "delete", "name": "callee"}).value == {"refused": "AccessDeniedException"}
    assert call(lam, callee).value == {"got": {}}


def test_credentials_are_of_one_sandbox_and_die_with_it(lam, server, caller):
    found = call(lam, caller, {"do": "credentials"}).value
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    borrowed = client(server, key=found["AWS_ACCESS_KEY_ID"], secret=found["AWS_SECRET_ACCESS_KEY"],
                      token=found["AWS_SESSION_TOKEN"])
    assert borrowed.get_function(FunctionName="callee")["Configuration"]["FunctionName"] == "callee"
    without = client(server, key=found["AWS_ACCESS_KEY_ID"], secret=found["AWS_SECRET_ACCESS_KEY"])
    assert refused(without.list_functions)[0] == 403
    lam.update_function_configuration(FunctionName="caller", Description="changed: its sandboxes end")
    settled(lam, "caller")

    def gone():
        try:
            borrowed.list_functions()
        except borrowed.exceptions.ClientError as error:
            return error.response["Error"]["Code"] in ("UnrecognizedClientException", "ExpiredTokenException")
        return False
    until(gone, 10, "the credentials outlived their sandbox")


def test_an_endless_chain_of_calls_meets_the_account_limit(start_server):
    """A function that calls itself cannot take the server with it: the account's concurrency ends it."""
    small = start_server("[scaling]\naccount_concurrency = 4\n")
    lam = client(small)
    source = """
import json, boto3
def handler(event, context):
    try:
        reply = boto3.client("lambda").invoke(FunctionName="again", Payload=json.dumps({"depth": event.get("depth", 0) + 1}))
        return json.loads(reply["Payload"].read())
    except Exception as error:
        return [event.get("depth", 0), error.response["Error"]["Code"]]
"""
    create(lam, "again", with_boto3({"app.py": source}), Timeout=30, MemorySize=512)
    depth, code = call(lam, "again").value
    assert code == "TooManyRequestsException" and depth == 3
    assert json.loads(lam.invoke(FunctionName="again")["Payload"].read())[0] == 3
