"""Published versions: frozen under numbers that are never given again, each called by its own name."""
import pytest

from harness.calls import call, create, refused, settled
from harness.packages import PYTHON, ROLE, python
from harness.server import ACCOUNT, REGION
from harness.wait import until

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
SOURCE = """\
import os
def handler(event, context):
    return [%r, context.function_version, context.invoked_function_arn, os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
            os.environ.get("STAGE"), context.log_stream_name]
"""


def says(word):
    return python(SOURCE % word)


def active(lam, name, version):
    lam.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version,
                                                    WaiterConfig={"Delay": 1, "MaxAttempts": 20})


def publish(lam, name, **more):
    version = lam.publish_version(FunctionName=name, **more)["Version"]
    active(lam, name, version)
    return version


def update(lam, name, word, **more):
    reply = lam.update_function_code(FunctionName=name, ZipFile=says(word), **more)
    settled(lam, name)
    return reply


@pytest.fixture
def function(lam, deploy):
    return deploy(says("one"), Environment={"Variables": {"STAGE": "first"}})


def test_a_version_is_active_at_once_because_its_code_lies_ready(lam, function):
    reply = lam.publish_version(FunctionName=function, Description="the first")
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (reply["Version"], reply["FunctionArn"]) == ("1", f"{ARN}{function}:1")
    assert (reply["State"], reply["LastUpdateStatus"], reply["Description"]) == ("Active", "Successful", "the first")
    active(lam, function, "1")
    config = lam.get_function_configuration(FunctionName=function, Qualifier="1")
    assert config["RevisionId"] == reply["RevisionId"]


def test_each_version_runs_what_it_froze_in_sandboxes_of_its_own(lam, function):
    publish(lam, function)
    lam.update_function_configuration(FunctionName=function, Environment={"Variables": {"STAGE": "second"}})
    settled(lam, function)
    update(lam, function, "two")
    publish(lam, function)
    update(lam, function, "three")
    for name, qualifier, word, version, stage in [
        (function, None, "three", "$LATEST", "second"), (function, "$LATEST", "three", "$LATEST", "second"),
        (function, "1", "one", "1", "first"), (function, "2", "two", "2", "second"),
        (f"{function}:1", None, "one", "1", "first"), (f"{ARN}{function}:2", None, "two", "2", "second"),
    ]:
        for _ in range(2):
            answer = call(lam, name, **({"Qualifier": qualifier} if qualifier else {}))
            said, inside, arn, variable, staged, stream = answer.value
            assert (said, inside, variable, staged, answer.version) == (word, version, version, stage, version)
            shown = qualifier or (name.rpartition(":")[2] if name != function else None)
            assert arn == ARN + function + (f":{shown}" if shown else "")
            assert f"/[{version}]" in stream
            assert f" Version: {version}\n" in answer.log


def test_what_has_not_changed_is_not_published_again(lam, function):
    first = lam.publish_version(FunctionName=function)
    active(lam, function, "1")
    again = lam.publish_version(FunctionName=function, Description="other words")
    assert again["Version"] == "1" and again["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert again["CodeSha256"] == first["CodeSha256"] and again["Description"] == ""


def test_numbers_are_never_given_again(lam, function):
    assert publish(lam, function) == "1"
    lam.delete_function(FunctionName=function, Qualifier="1")
    assert publish(lam, function) == "2"
    status, kind, text = refused(lam.get_function, FunctionName=function, Qualifier="1")
    assert (status, kind, text) == (404, "ResourceNotFoundException", f"Function not found: {ARN}{function}:1")
    assert refused(lam.invoke, FunctionName=function, Qualifier="1")[2] == f"Function not found: {ARN}{function}:1"


def test_publishing_keeps_to_its_conditions(lam, function):
    before = lam.get_function_configuration(FunctionName=function)
    status, kind, text = refused(lam.publish_version, FunctionName=function, CodeSha256="x")
    assert (status, kind) == (400, "InvalidParameterValueException")
    assert text == (f"CodeSHA256 (x) is different from current CodeSHA256 in $LATEST ({before['CodeSha256']}). "
                    "Please try again with the CodeSHA256 in $LATEST.")
    status, kind, text = refused(lam.publish_version, FunctionName=function, RevisionId="x")
    assert (status, kind) == (412, "PreconditionFailedException")
    lam.publish_version(FunctionName=function, CodeSha256=before["CodeSha256"], RevisionId=before["RevisionId"])
    after = lam.get_function_configuration(FunctionName=function)
    assert after["RevisionId"] != before["RevisionId"], "publishing is seen on $LATEST"
    assert refused(lam.publish_version, FunctionName="missing")[2] == f"Function not found: {ARN}missing"


def test_create_and_update_publish(lam):
    reply = lam.create_function(FunctionName="published", Runtime=PYTHON, Handler="app.handler", Role=ROLE,
                                Code={"ZipFile": says("one")}, Publish=True)
    assert (reply["Version"], reply["FunctionArn"], reply["State"]) == ("1", f"{ARN}published", "Pending")
    active(lam, "published", "1")
    settled(lam, "published")
    reply = update(lam, "published", "two", Publish=True)
    assert (reply["Version"], reply["FunctionArn"], reply["State"]) == ("2", f"{ARN}published:2", "Pending")
    active(lam, "published", "2")
    assert [call(lam, "published", Qualifier=q).value[0] for q in ("1", "2", "$LATEST")] == ["one", "two", "two"]


def test_versions_are_listed_latest_first_in_pages(lam, function):
    for word in ("two", "three", "four"):
        publish(lam, function)
        update(lam, function, word)
    pages = list(lam.get_paginator("list_versions_by_function").paginate(FunctionName=function,
                                                                        PaginationConfig={"PageSize": 3}))
    assert [[version["Version"] for version in page["Versions"]] for page in pages] == [["$LATEST", "1", "2"], ["3"]]
    arns = [version["FunctionArn"] for page in pages for version in page["Versions"]]
    assert arns == [f"{ARN}{function}:{version}" for version in ("$LATEST", "1", "2", "3")]
    everything = lam.get_paginator("list_functions").paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 2})
    listed = [one["FunctionArn"] for page in everything for one in page["Functions"]]
    assert [arn for arn in listed if arn in arns] == arns and len(listed) == len(set(listed))
    assert refused(lam.list_versions_by_function, FunctionName="missing")[2] == f"Function not found: {ARN}missing"


def test_a_version_is_read_and_downloaded_as_it_was(lam, function):
    import requests
    publish(lam, function)
    update(lam, function, "two")
    reply = lam.get_function(FunctionName=function, Qualifier="1")
    assert reply["Configuration"]["FunctionArn"] == f"{ARN}{function}:1"
    assert requests.get(reply["Code"]["Location"], timeout=10).content == says("one")


def test_versions_go_with_their_function_and_count_in_the_account(lam):
    create(lam, "counted", says("one"))
    before = lam.get_account_settings()["AccountUsage"]
    lam.publish_version(FunctionName="counted")
    after = lam.get_account_settings()["AccountUsage"]
    assert after["FunctionCount"] == before["FunctionCount"]
    assert after["TotalCodeSize"] == before["TotalCodeSize"] + len(says("one"))
    lam.delete_function(FunctionName="counted")
    assert refused(lam.get_function, FunctionName="counted", Qualifier="1")[0] == 404
    create(lam, "counted", says("one"))
    assert lam.publish_version(FunctionName="counted")["Version"] == "1", "a new function counts anew"


def test_versions_outlive_the_server(start_server, tmp_path_factory):
    from harness.calls import client
    server = start_server(data=tmp_path_factory.mktemp("versions") / "data")
    lam = client(server)
    create(lam, "kept", says("one"))
    publish(lam, "kept")
    update(lam, "kept", "two")
    lam.publish_version(FunctionName="kept")
    server.kill()
    server.start()
    lam = client(server)
    until(lambda: lam.get_function_configuration(FunctionName="kept", Qualifier="2")["State"] == "Active", 10, "2")
    assert [call(lam, "kept", Qualifier=q).value[0] for q in ("1", "2", "$LATEST")] == ["one", "two", "two"]
