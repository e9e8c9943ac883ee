"""Concurrency that is set aside: reserved for a function, provisioned for a version or an alias."""
import pytest

from harness.calls import call, create, refused, settled
from harness.packages import python
from harness.server import ACCOUNT, REGION
from harness.wait import until

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
HELLO = python("def handler(event, context):\n    return 'hello'\n")
LEAVES_TOO_LITTLE = ("decreases account's UnreservedConcurrentExecution below its minimum value of [100].")


@pytest.fixture
def function(lam, deploy):
    name = deploy(HELLO)
    yield name
    lam.delete_function(FunctionName=name)


def reserve(lam, name, count):
    reply = lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)
    return reply["ReservedConcurrentExecutions"]


def unreserved(lam):
    return lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]


def test_reserved_concurrency_is_put_shown_and_taken_away(lam, function):
    def shown():
        reply = lam.get_function_concurrency(FunctionName=function)
        reply.pop("ResponseMetadata")
        return reply
    assert shown() == {} and "Concurrency" not in lam.get_function(FunctionName=function)
    before = unreserved(lam)
    for count in (30, 0):
        assert reserve(lam, function, count) == count
        assert shown() == lam.get_function(FunctionName=function)["Concurrency"] == {"ReservedConcurrentExecutions": count}
        assert unreserved(lam) == before - count
    reply = lam.delete_function_concurrency(FunctionName=function)
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert shown() == {} and unreserved(lam) == before


def test_a_hundred_stay_unreserved(lam, function):
    name, limit = function, lam.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    assert reserve(lam, name, limit - 100) == limit - 100
    create(lam, "one-too-many", HELLO)
    for other in (name, "one-too-many"):
        status, kind, text = refused(reserve, lam, other, limit - 99 if other == name else 1)
        assert (status, kind) == (400, "InvalidParameterValueException")
        assert text == f"Specified ReservedConcurrentExecutions for function {LEAVES_TOO_LITTLE}"
    lam.delete_function(FunctionName="one-too-many")


def test_versions_and_aliases_reserve_nothing(lam, function):
    for qualifier in ("$LATEST", "1", "live"):
        status, kind, text = refused(reserve, lam, f"{function}:{qualifier}", 1)
        assert (status, kind) == (400, "InvalidParameterValueException")
        assert text.startswith("This operation is permitted on Lambda functions only.")
    assert refused(reserve, lam, function, -1)[1] == "ValidationException"
    assert refused(reserve, lam, "missing", 1)[2] == f"Function not found: {ARN}missing:$LATEST"


@pytest.fixture
def versions(lam, function):
    """A function with version 1 and an alias of it."""
    lam.publish_version(FunctionName=function)
    lam.get_waiter("published_version_active").wait(FunctionName=function, Qualifier="1",
                                                    WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    lam.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    return function


def provision(lam, name, qualifier, count):
    return lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier,
                                                  ProvisionedConcurrentExecutions=count)


def test_provisioned_concurrency_is_kept_to_one_name(lam, versions):
    status, kind, text = refused(lam.get_provisioned_concurrency_config, FunctionName=versions, Qualifier="1")
    assert (status, kind) == (404, "ProvisionedConcurrencyConfigNotFoundException")
    assert text == "No Provisioned Concurrency Config found for this function"
    assert provision(lam, versions, "1", 1)["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert refused(provision, lam, versions, "live", 1) == (409, "ResourceConflictException", (
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"))
    for _ in range(2):
        reply = lam.delete_provisioned_concurrency_config(FunctionName=versions, Qualifier="1")
        assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204
    provision(lam, versions, "live", 1)
    assert refused(provision, lam, versions, "1", 1) == (409, "ResourceConflictException", (
        "Version is pointed by a Provisioned Concurrency alias"))
    listed = lam.list_provisioned_concurrency_configs(FunctionName=versions)["ProvisionedConcurrencyConfigs"]
    assert [(one["FunctionArn"], one["RequestedProvisionedConcurrentExecutions"]) for one in listed] == [
        (f"{ARN}{versions}:live", 1)]
    lam.delete_alias(FunctionName=versions, Name="live")
    assert lam.list_provisioned_concurrency_configs(FunctionName=versions)["ProvisionedConcurrencyConfigs"] == []


def ready(lam, name, qualifier, count):
    """Waits until all that was asked for stands ready."""
    def figures():
        reply = lam.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        return reply["Status"] == "READY" and reply["AvailableProvisionedConcurrentExecutions"] == count
    until(figures, 30, f"{name}:{qualifier} never became ready")


def test_provisioned_sandboxes_stand_ready_and_move_with_their_alias(lam, deploy):
    name = deploy(python("import os\ndef handler(event, context):\n"
                         "    return [context.function_version, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]\n"))
    assert lam.publish_version(FunctionName=name)["Version"] == "1"
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    begun = provision(lam, name, "live", 2)
    assert begun["RequestedProvisionedConcurrentExecutions"] == 2
    ready(lam, name, "live", 2)
    answer = call(lam, name, Qualifier="live")
    assert answer.value == ["1", "provisioned-concurrency"] and answer.report["init"] is None
    lam.update_function_configuration(FunctionName=name, MemorySize=256)
    settled(lam, name)
    assert lam.publish_version(FunctionName=name)["Version"] == "2"
    lam.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    ready(lam, name, "live", 2)
    assert call(lam, name, Qualifier="live").value == ["2", "provisioned-concurrency"]
    lam.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    lam.delete_function(FunctionName=name)


def test_provisioned_concurrency_is_refused_in_aws_words(lam, versions):
    invalid = (400, "InvalidParameterValueException")
    assert refused(provision, lam, versions, "$LATEST", 1) == (*invalid, (
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions."))
    assert refused(lam.get_provisioned_concurrency_config, FunctionName=versions, Qualifier="$LATEST") == (*invalid, (
        "The function resource provided must be an alias or a published version."))
    assert refused(provision, lam, versions, "1", 0)[:2] == (400, "ValidationException")
    assert refused(provision, lam, versions, "9", 1)[2] == f"Function not found: {ARN}{versions}:9"
    assert refused(provision, lam, versions, "nobody", 1)[2] == f"Cannot find alias arn: {ARN}{versions}:nobody"
    left = unreserved(lam)
    assert refused(provision, lam, versions, "1", left + 1) == (*invalid, (
        f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{left}]."))
    assert refused(provision, lam, versions, "1", left - 99) == (*invalid, (
        f"Specified ConcurrentExecutions for function {LEAVES_TOO_LITTLE}"))
    reserve(lam, versions, 2)
    assert refused(provision, lam, versions, "1", 3) == (*invalid, (
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"))
    provision(lam, versions, "1", 2)
    assert refused(reserve, lam, versions, 1) == (*invalid, (
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."))
