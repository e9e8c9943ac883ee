"""Aliases: names of versions that move, and that share calls out by weight."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.calls import call, refused, settled
from harness.packages import python
from harness.server import ACCOUNT, REGION

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
SOURCE = "def handler(event, context):\n    return [%r, context.function_version, context.invoked_function_arn]\n"


def says(word):
    return python(SOURCE % word)


@pytest.fixture(scope="module")
def function(lam, deploy):
    """A function whose versions 1 and 2 say `one` and `two`, and `$LATEST` `three`."""
    name = deploy(says("one"), "aliased")
    for version, then in (("1", "two"), ("2", "three")):
        assert lam.publish_version(FunctionName=name)["Version"] == version
        lam.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version,
                                                        WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        lam.update_function_code(FunctionName=name, ZipFile=says(then))
        settled(lam, name)
    return name


def weights(**share):
    return {"AdditionalVersionWeights": {name[1:]: weight for name, weight in share.items()}}


@pytest.fixture
def alias(lam, function):
    """Makes aliases that are gone after the test."""
    made = []

    def make(name="live", version="1", **more):
        made.append(name)
        return lam.create_alias(FunctionName=function, Name=name, FunctionVersion=version, **more)
    yield make
    for name in made:
        lam.delete_alias(FunctionName=function, Name=name)


def test_an_alias_is_made_read_moved_and_deleted(lam, function, alias):
    made = alias(Description="moves")
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    arn = f"{ARN}{function}:live"
    assert made == {"AliasArn": arn, "Name": "live", "FunctionVersion": "1", "Description": "moves",
                    "RevisionId": made["RevisionId"]}
    read = lam.get_alias(FunctionName=function, Name="live")
    assert read.pop("ResponseMetadata")["HTTPStatusCode"] == 200 and read == made
    moved = lam.update_alias(FunctionName=function, Name="live", FunctionVersion="2")
    assert (moved["FunctionVersion"], moved["Description"]) == ("2", "moves")
    assert moved["RevisionId"] != made["RevisionId"]
    for _ in range(2):
        assert lam.delete_alias(FunctionName=function, Name="live")["ResponseMetadata"]["HTTPStatusCode"] == 204
    status, kind, text = refused(lam.get_alias, FunctionName=function, Name="live")
    assert (status, kind, text) == (404, "ResourceNotFoundException", f"Cannot find alias arn: {arn}")


def test_calls_through_an_alias_run_its_version_and_show_the_alias(lam, function, alias):
    alias()
    arn = f"{ARN}{function}:live"
    for how in ({"FunctionName": function, "Qualifier": "live"}, {"FunctionName": f"{function}:live"},
                {"FunctionName": arn}):
        answer = call(lam, how.pop("FunctionName"), **how)
        assert answer.value == ["one", "1", arn] and answer.version == "1"
    lam.update_alias(FunctionName=function, Name="live", FunctionVersion="$LATEST")
    answer = call(lam, function, Qualifier="live")
    assert answer.value == ["three", "$LATEST", arn] and answer.version == "$LATEST"


def test_a_function_read_through_its_alias_is_the_version(lam, function, alias):
    alias()
    version = lam.get_function_configuration(FunctionName=function, Qualifier="1")
    config = lam.get_function(FunctionName=function, Qualifier="live")["Configuration"]
    assert config["FunctionArn"] == f"{ARN}{function}:live"
    assert (config["Version"], config["RevisionId"]) == ("1", version["RevisionId"])


# Each call may start a sandbox; that is not what is tested here.
CALLS, SHARE = 400, 0.3


def test_weights_really_share_calls_out(lam, function, alias):
    alias(RoutingConfig=weights(v2=SHARE))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: call(lam, function, Qualifier="live", tail=False), range(CALLS)))
    assert all((answer.value[0], answer.version) in {("one", "1"), ("two", "2")} for answer in answers)
    second = sum(answer.version == "2" for answer in answers)
    expected = {True: CALLS * SHARE, False: CALLS * (1 - SHARE)}
    chi_square = (second - expected[True]) ** 2 / expected[True] + (CALLS - second - expected[False]) ** 2 / expected[False]
    # One degree of freedom: chance alone exceeds this once in 100,000 runs.
    assert chi_square < 19.5, f"{second} of {CALLS} calls went to a share of {SHARE}"


@pytest.mark.parametrize("share, version", [(0.0, "1"), (1.0, "2")])
def test_a_share_of_nothing_or_of_all_is_exact(lam, function, alias, share, version):
    alias(RoutingConfig=weights(v2=share))
    assert {call(lam, function, Qualifier="live", tail=False).version for _ in range(20)} == {version}


def test_routing_is_shown_kept_and_cleared(lam, function, alias):
    assert alias(RoutingConfig=weights(v2=0.25))["RoutingConfig"] == weights(v2=0.25)
    kept = lam.update_alias(FunctionName=function, Name="live", Description="d")
    assert kept["RoutingConfig"] == weights(v2=0.25)
    cleared = lam.update_alias(FunctionName=function, Name="live", RoutingConfig={})
    assert "RoutingConfig" not in cleared and cleared["Description"] == "d"


def test_what_leads_nowhere_is_refused_in_aws_words(lam, function, alias):
    def make(**more):
        given = {"FunctionName": function, "Name": "bad", "FunctionVersion": "1", **more}
        return refused(lam.create_alias, **given)
    missing, invalid = (404, "ResourceNotFoundException"), (400, "InvalidParameterValueException")
    assert make(FunctionName="missing") == (*missing, f"Function not found: {ARN}missing:1")
    assert make(FunctionVersion="9") == (*missing, f"Function not found: {ARN}{function}:9")
    assert make(RoutingConfig=weights(v9=0.5)) == (*missing, f"Function not found: {ARN}{function}:9")
    assert make(RoutingConfig=weights(v1=0.5)) == (*invalid, (
        "Invalid function version 1. Function version 1 is already included in routing configuration."))
    assert make(FunctionVersion="$LATEST", RoutingConfig=weights(v1=0.5)) == (*invalid, (
        "$LATEST is not supported for an alias pointing to more than 1 version"))
    assert make(RoutingConfig=weights(v1=0.5, v2=0.5)) == (*invalid, (
        "Number of items in AdditionalVersionWeights cannot be greater than 1"))
    for more in ({"RoutingConfig": weights(v2=1.5)}, {"Name": "12"}, {"Name": "a.b"}, {"FunctionVersion": "one"}):
        assert make(**more)[:2] == (400, "ValidationException"), more
    alias("taken")
    assert make(Name="taken") == (409, "ResourceConflictException", f"Alias already exists: {ARN}{function}:taken")
    assert refused(lam.update_alias, FunctionName=function, Name="nobody") == (
        *missing, f"Alias not found: {ARN}{function}:nobody")
    assert refused(lam.invoke, FunctionName=function, Qualifier="nobody") == (
        *missing, f"Function not found: {ARN}{function}:nobody")


def test_a_stale_revision_changes_nothing(lam, function, alias):
    made = alias()
    lam.update_alias(FunctionName=function, Name="live", Description="newer", RevisionId=made["RevisionId"])
    status, kind, text = refused(lam.update_alias, FunctionName=function, Name="live", Description="late",
                                 RevisionId=made["RevisionId"])
    assert (status, kind) == (412, "PreconditionFailedException") and "does not match the latest Revision Id" in text
    assert lam.get_alias(FunctionName=function, Name="live")["Description"] == "newer"


def test_a_version_that_an_alias_leads_to_is_kept(lam, function, alias):
    alias(RoutingConfig=weights(v2=0.5))
    for version in ("1", "2"):
        assert refused(lam.delete_function, FunctionName=function, Qualifier=version) == (
            409, "ResourceConflictException",
            "Unable to delete version because the following aliases reference it: [live]")
    assert refused(lam.delete_function, FunctionName=function, Qualifier="live") == (
        400, "InvalidParameterValueException", "Deletion of aliases is not currently supported.")


def test_aliases_are_listed_in_pages_and_by_version(lam, function, alias):
    for name, version in (("c", "1"), ("a", "2"), ("b", "1")):
        alias(name, version)
    pages = list(lam.get_paginator("list_aliases").paginate(FunctionName=function, PaginationConfig={"PageSize": 2}))
    assert [[one["Name"] for one in page["Aliases"]] for page in pages] == [["a", "b"], ["c"]]
    of_one = lam.list_aliases(FunctionName=function, FunctionVersion="1")["Aliases"]
    assert [one["Name"] for one in of_one] == ["b", "c"]


def test_moving_an_alias_under_load_loses_no_call(lam, function, alias):
    alias()
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call, lam, function, Qualifier="live", tail=False) for _ in range(60)]
        for version in ("2", "1", "2"):
            lam.update_alias(FunctionName=function, Name="live", FunctionVersion=version)
        assert {one.result().value[0] for one in calls} <= {"one", "two"}
    assert call(lam, function, Qualifier="live").version == "2"
