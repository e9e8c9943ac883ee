"""The life of a function through the control API: create, get, list, update, delete."""
import base64
import hashlib
import re

import pytest
import requests

from harness.calls import call, create, refused, settled
from harness.packages import NATIVE, NODE, PYTHON, ROLE, package, python
from harness.server import ACCOUNT, REGION

HELLO = python("def handler(event, context):\n    return 'hello'\n")
OTHER = python("def handler(event, context):\n    return 'other'\n")
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


def sha256(zipped):
    return base64.b64encode(hashlib.sha256(zipped).digest()).decode()


@pytest.fixture(scope="module")
def hello(deploy):
    return deploy(HELLO, "hello", Description="greets", Tags={"team": "a"}, Environment={"Variables": {"A_KEY": "a"}})


def test_create_answers_pending_with_every_default(lam):
    reply = lam.create_function(FunctionName="fresh", Runtime=PYTHON, Handler="app.handler", Role=ROLE,
                                Code={"ZipFile": HELLO})
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 201
    expected = {
        "FunctionName": "fresh", "FunctionArn": ARN + "fresh", "Runtime": PYTHON, "Role": ROLE, "Handler": "app.handler",
        "CodeSize": len(HELLO), "CodeSha256": sha256(HELLO), "Description": "", "Timeout": 3, "MemorySize": 128,
        "Version": "$LATEST", "TracingConfig": {"Mode": "PassThrough"}, "State": "Pending", "PackageType": "Zip",
        "StateReason": "The function is being created.", "StateReasonCode": "Creating", "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512}, "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/fresh"},
    }
    assert {key: reply.get(key) for key in expected} == expected
    assert UUID.match(reply["RevisionId"])
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$", reply["LastModified"])
    assert "LastUpdateStatus" not in reply and "Environment" not in reply


def test_waiter_of_the_sdk_sees_it_active(lam):
    lam.get_waiter("function_active_v2").wait(FunctionName="fresh", WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    config = lam.get_function_configuration(FunctionName="fresh")
    assert (config["State"], config["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in config and "StateReasonCode" not in config


def test_what_is_given_is_given_back(lam, deploy):
    given = {"Description": "d", "Timeout": 7, "MemorySize": 256, "EphemeralStorage": {"Size": 600},
             "Environment": {"Variables": {"KEY": "value", "OTHER_1": ""}}, "Architectures": ["x86_64"],
             "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "INFO",
                               "LogGroup": "/own/group"}}
    name = deploy(HELLO, **given)
    config = lam.get_function_configuration(FunctionName=name)
    assert {key: config[key] for key in given} == given


def test_json_logs_have_both_levels_and_text_drops_them(lam, deploy):
    name = deploy(HELLO, LoggingConfig={"LogFormat": "JSON"})
    config = lam.get_function_configuration(FunctionName=name)["LoggingConfig"]
    assert (config["ApplicationLogLevel"], config["SystemLogLevel"]) == ("INFO", "INFO")
    config = lam.update_function_configuration(FunctionName=name, LoggingConfig={"LogFormat": "Text"})["LoggingConfig"]
    assert config == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}


@pytest.mark.parametrize("form, arn", [
    ("hello", ARN + "hello"),
    ("function:hello", ARN + "hello"),
    (f"{ACCOUNT}:function:hello", ARN + "hello"),
    (ARN + "hello", ARN + "hello"),
    ("hello:$LATEST", ARN + "hello:$LATEST"),
    (ARN + "hello:$LATEST", ARN + "hello:$LATEST"),
    (f"{ACCOUNT}:function:hello:$LATEST", ARN + "hello:$LATEST"),
])
def test_every_form_of_a_name_finds_the_function(lam, hello, form, arn):
    assert lam.get_function(FunctionName=form)["Configuration"]["FunctionArn"] == arn
    assert lam.get_function_configuration(FunctionName=form)["FunctionArn"] == arn
    assert call(lam, form).value == "hello"


def test_qualifier_in_the_query_shows_in_the_arn(lam, hello):
    reply = lam.get_function(FunctionName="hello", Qualifier="$LATEST")
    assert reply["Configuration"]["FunctionArn"] == ARN + "hello:$LATEST"
    status, kind, text = refused(lam.get_function, FunctionName="hello:$LATEST", Qualifier="1")
    assert (status, kind) == (400, "InvalidParameterValueException")
    assert text == "The derived qualifier from the function name does not match the specified qualifier."


def test_create_takes_an_arn_too(lam):
    create(lam, ARN + "by-arn", HELLO)
    assert lam.get_function(FunctionName="by-arn")["Configuration"]["FunctionArn"] == ARN + "by-arn"


def test_location_really_downloads_the_package(lam, hello):
    reply = lam.get_function(FunctionName="hello")
    assert reply["Code"]["RepositoryType"] == "S3" and reply["Tags"] == {"team": "a"}
    download = requests.get(reply["Code"]["Location"], timeout=10)
    assert download.status_code == 200 and download.content == HELLO
    tampered = reply["Code"]["Location"].replace("hello", "fresh")
    assert requests.get(tampered, timeout=10).status_code == 403


def test_names_that_are_not_there(lam, server):
    missing = ARN + "missing"
    for action, text in [
        (lambda: lam.get_function(FunctionName="missing"), f"Function not found: {missing}"),
        (lambda: lam.get_function_configuration(FunctionName="missing"), f"Function not found: {missing}"),
        (lambda: lam.get_function(FunctionName="missing", Qualifier="1"), f"Function not found: {missing}:1"),
        (lambda: lam.get_function(FunctionName="hello", Qualifier="prod"), f"Function not found: {ARN}hello:prod"),
        (lambda: lam.delete_function(FunctionName="missing"), f"Function not found: {missing}"),
        (lambda: lam.update_function_code(FunctionName="missing", ZipFile=HELLO), f"Function not found: {missing}"),
        (lambda: lam.update_function_configuration(FunctionName="missing"), f"Function not found: {missing}"),
        (lambda: lam.invoke(FunctionName="missing"), f"Function not found: {missing}:$LATEST"),
    ]:
        status, kind, message = refused(action)
        assert (status, kind) == (404, "ResourceNotFoundException") and message == text


def test_a_foreign_account_is_denied(lam):
    status, kind, _ = refused(lam.get_function, FunctionName=f"arn:aws:lambda:{REGION}:111122223333:function:hello")
    assert (status, kind) == (403, "AccessDeniedException")


def test_a_function_of_another_region_is_not_reachable(lam):
    status, kind, text = refused(lam.get_function, FunctionName=f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:hello")
    assert (status, kind) == (404, "ResourceNotFoundException")
    assert text == f"Functions from 'eu-west-1' are not reachable in this region ('{REGION}')"


def test_a_name_is_taken_once(lam, hello):
    status, kind, text = refused(create, lam, "hello", HELLO)
    assert (status, kind) == (409, "ResourceConflictException") and text == "Function already exist: hello"


INVALID = [
    ("a runtime that nobody knows", {"Runtime": "cobol85"}, "InvalidParameterValueException",
     "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["),
    ("a name that is too long", {"FunctionName": "n" * 65}, "InvalidParameterValueException", "64"),
    ("a timeout of nothing", {"Timeout": 0}, "ValidationException",
     "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: "
     "Member must have value greater than or equal to 1"),
    ("a timeout over the limit", {"Timeout": 901}, None, ""),
    ("too little memory", {"MemorySize": 64}, "ValidationException",
     "1 validation error detected: Value '64' at 'memorySize' failed to satisfy constraint: "
     "Member must have value greater than or equal to 128"),
    ("too much memory", {"MemorySize": 40_000}, "ValidationException", "less than or equal to"),
    ("too little room in /tmp", {"EphemeralStorage": {"Size": 100}}, "ValidationException",
     "at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512"),
    ("a handler with a space", {"Handler": "app handler"}, "ValidationException", "at 'handler' failed to satisfy constraint"),
    ("a role that is no ARN", {"Role": "admin"}, "ValidationException", "at 'role' failed to satisfy constraint"),
    ("a description over the limit", {"Description": "d" * 257}, "ValidationException",
     "Member must have length less than or equal to 256"),
    ("names that are the platform's", {"Environment": {"Variables": {"AWS_REGION": "x", "AWS_SECRET_KEY": "y"}}},
     "InvalidParameterValueException", "Reserved keys used in this request: AWS_REGION, AWS_SECRET_KEY"),
    ("variables over 4 KB", {"Environment": {"Variables": {"BIG": "x" * 4097}}}, "InvalidParameterValueException",
     "exceeded the 4KB limit. String measured: "),
    ("a variable that starts with a digit", {"Environment": {"Variables": {"1A": "x"}}}, "ValidationException",
     "environment.variables"),
    ("an architecture of another make", {"Architectures": ["riscv"]}, "ValidationException", "Member must satisfy enum value set"),
    ("what is no zip", {"Code": {"ZipFile": b"not a zip"}}, "InvalidParameterValueException",
     "Could not unzip uploaded file. Please check your file, then try to upload again."),
]


@pytest.mark.parametrize("why, change, kind, text", INVALID, ids=[row[0] for row in INVALID])
def test_what_cannot_be_is_refused_in_aws_words(lam, why, change, kind, text):
    given = {"FunctionName": "refused", "Runtime": PYTHON, "Handler": "app.handler", "Role": ROLE,
             "Code": {"ZipFile": HELLO}, **change}
    status, got, message = refused(lam.create_function, **given)
    assert status == 400
    assert kind is None or got == kind, message
    assert text in message
    assert refused(lam.get_function, FunctionName="refused")[0] == 404


def test_several_errors_are_told_together(lam):
    status, kind, text = refused(lam.create_function, FunctionName="x", Runtime=PYTHON, Handler="a.b", Role="admin",
                                 Code={"ZipFile": HELLO}, Timeout=0)
    assert (status, kind) == (400, "ValidationException") and text.startswith("2 validation errors detected: ")
    assert "; " in text


def test_a_function_of_a_language_that_nobody_runs_is_kept_and_its_calls_say_so(lam):
    for runtime in ("ruby3.3", "java21"):
        create(lam, "unserved", HELLO, runtime=runtime)
        assert lam.get_function_configuration(FunctionName="unserved")["Runtime"] == runtime
        status, kind, text = refused(lam.invoke, FunctionName="unserved")
        assert (status, kind) == (502, "InvalidRuntimeException")
        assert text.startswith(f"Runtime {runtime} is not available on this host, which has: ") and NATIVE in text
        lam.delete_function(FunctionName="unserved")


def test_list_pages_through_every_function_once(lam):
    names = [f"page-{i:02}" for i in range(5)]
    for name in names:
        create(lam, name, HELLO, active=False)
    pages = list(lam.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    listed = [function for page in pages for function in page["Functions"]]
    found = [function["FunctionName"] for function in listed]
    assert all(len(page["Functions"]) <= 2 for page in pages) and len(pages) >= 3
    assert len(found) == len(set(found)) and set(names) <= set(found)
    assert all("State" not in function and "LastUpdateStatus" not in function for function in listed)
    assert "NextMarker" not in pages[-1]


def test_list_answers_at_most_fifty_and_refuses_a_marker_of_its_own(lam):
    for i in range(51):
        create(lam, f"many-{i:02}", HELLO, active=False)
    first = lam.list_functions(MaxItems=1000)
    assert len(first["Functions"]) == 50 and first["NextMarker"]
    assert refused(lam.list_functions, Marker="nonsense!")[0] == 400
    for i in range(51):
        lam.delete_function(FunctionName=f"many-{i:02}")


def test_update_of_code_changes_hash_revision_and_answer(lam, deploy):
    name = deploy(HELLO)
    before = lam.get_function_configuration(FunctionName=name)
    assert call(lam, name).value == "hello"
    reply = lam.update_function_code(FunctionName=name, ZipFile=OTHER)
    assert reply["CodeSha256"] == sha256(OTHER) and reply["RevisionId"] != before["RevisionId"]
    assert (reply["State"], reply["LastUpdateStatus"]) == ("Active", "InProgress")
    assert reply["LastUpdateStatusReasonCode"] == "Creating"
    after = settled(lam, name)
    assert after["LastUpdateStatus"] == "Successful" and after["RevisionId"] != reply["RevisionId"]
    assert call(lam, name).value == "other"


def test_dry_run_of_an_update_changes_nothing(lam, deploy):
    name = deploy(HELLO)
    before = lam.get_function_configuration(FunctionName=name)
    assert lam.update_function_code(FunctionName=name, ZipFile=OTHER, DryRun=True)["CodeSha256"] == sha256(OTHER)
    after = lam.get_function_configuration(FunctionName=name)
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])


def test_update_of_configuration_keeps_what_is_not_named(lam, deploy):
    source = "import os\ndef handler(event, context):\n    return [os.environ.get('A_KEY'), context.memory_limit_in_mb]\n"
    name = deploy(python(source), Description="kept", Environment={"Variables": {"A_KEY": "one"}})
    assert call(lam, name).value == ["one", "128"]
    reply = lam.update_function_configuration(FunctionName=name, MemorySize=192, Environment={"Variables": {"A_KEY": "two"}})
    assert (reply["MemorySize"], reply["Description"], reply["LastUpdateStatus"]) == (192, "kept", "InProgress")
    settled(lam, name)
    assert call(lam, name).value == ["two", "192"]


def test_a_stale_revision_is_refused(lam, deploy):
    name = deploy(HELLO)
    stale = "11111111-2222-4333-8444-555555555555"
    for action in (lambda: lam.update_function_code(FunctionName=name, ZipFile=OTHER, RevisionId=stale),
                   lambda: lam.update_function_configuration(FunctionName=name, Timeout=4, RevisionId=stale)):
        status, kind, text = refused(action)
        assert (status, kind) == (412, "PreconditionFailedException")
        assert text == ("The Revision Id provided does not match the latest Revision Id. "
                        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
    current = lam.get_function_configuration(FunctionName=name)["RevisionId"]
    lam.update_function_configuration(FunctionName=name, Timeout=4, RevisionId=current)


def test_a_deleted_function_is_gone_and_its_name_free(lam, deploy):
    name = deploy(HELLO)
    assert call(lam, name).value == "hello"
    assert lam.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(lam.get_function, FunctionName=name)[0] == 404
    assert refused(lam.invoke, FunctionName=name)[0] == 404
    create(lam, name, OTHER)
    assert call(lam, name).value == "other"


def test_latest_alone_cannot_be_deleted(lam, hello):
    status, kind, text = refused(lam.delete_function, FunctionName="hello", Qualifier="$LATEST")
    assert (status, kind) == (400, "InvalidParameterValueException")
    assert text == "$LATEST version cannot be deleted without deleting the function."


def test_operations_to_come_answer_501_and_name_themselves(lam, hello):
    arn = ARN + "hello:1/durable-execution/a/b"
    for name, action in [
        ("ListDurableExecutionsByFunction", lambda: lam.list_durable_executions_by_function(FunctionName="hello")),
        ("GetDurableExecution", lambda: lam.get_durable_execution(DurableExecutionArn=arn)),
    ]:
        status, kind, text = refused(action)
        assert status == 501 and name in text, (name, status, kind, text)


@pytest.mark.skipif(not NODE, reason="no node on this machine")
def test_one_server_serves_several_languages(lam, deploy):
    node = deploy(package({"index.js": "exports.handler = async () => 'from node'"}), runtime=NODE, handler="index.handler")
    assert call(lam, node).value == "from node"


def test_changes_follow_each_other_without_waiters(lam):
    create(lam, "hurried", python("def handler(event, context):\n    return 0\n"))
    for turn in range(1, 6):
        lam.update_function_code(FunctionName="hurried", ZipFile=python(f"def handler(event, context):\n    return {turn}\n"))
        lam.update_function_configuration(FunctionName="hurried", Description=f"turn {turn}")
        version = lam.publish_version(FunctionName="hurried")["Version"]
        assert call(lam, "hurried", Qualifier=version).value == turn
