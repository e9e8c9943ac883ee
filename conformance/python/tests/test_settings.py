"""Settings that are about AWS's own surroundings: kept, versioned and shown as AWS shows them."""
import pytest

from harness.calls import call, refused, settled
from harness.packages import python

HELLO = python("def handler(event, context):\n    return 'hello'\n")
QUEUE, KEY = "arn:aws:sqs:us-east-1:000000000000:dead", "arn:aws:kms:us-east-1:000000000000:key/k"
SYSTEM = {"Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-1", "LocalMountPath": "/mnt/data"}


@pytest.fixture
def function(deploy):
    return deploy(HELLO, DeadLetterConfig={"TargetArn": QUEUE}, KMSKeyArn=KEY, FileSystemConfigs=[SYSTEM],
                  VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]})


def test_they_are_shown_as_they_were_given(lam, function):
    config = lam.get_function_configuration(FunctionName=function)
    assert (config["DeadLetterConfig"], config["KMSKeyArn"], config["FileSystemConfigs"]) == ({"TargetArn": QUEUE}, KEY, [SYSTEM])
    vpc = config["VpcConfig"]
    assert (vpc["SubnetIds"], vpc["SecurityGroupIds"], vpc["Ipv6AllowedForDualStack"]) == (["subnet-1"], ["sg-1"], False)
    assert call(lam, function).value == "hello"


def test_they_are_taken_away_by_what_is_empty(lam, function):
    lam.update_function_configuration(FunctionName=function, DeadLetterConfig={"TargetArn": ""}, KMSKeyArn="",
                                      FileSystemConfigs=[], VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
    settled(lam, function)
    config = lam.get_function_configuration(FunctionName=function)
    assert not {"DeadLetterConfig", "KMSKeyArn", "FileSystemConfigs"} & set(config)
    vpc = config["VpcConfig"]
    assert (vpc["SubnetIds"], vpc["SecurityGroupIds"], vpc["VpcId"]) == ([], [], "")


@pytest.mark.parametrize("change, path", [
    ({"DeadLetterConfig": {"TargetArn": "queue"}}, "deadLetterConfig.targetArn"),
    ({"KMSKeyArn": "key"}, "kMSKeyArn"),
    ({"FileSystemConfigs": [{**SYSTEM, "LocalMountPath": "/data"}]}, "fileSystemConfigs.1.member.localMountPath"),
    ({"VpcConfig": {"SecurityGroupIds": list("abcdef")}}, "vpcConfig.securityGroupIds"),
    ({"SnapStart": {"ApplyOn": "Always"}}, "snapStart.applyOn"),
])
def test_what_the_model_refuses_is_refused(lam, function, change, path):
    status, kind, text = refused(lam.update_function_configuration, FunctionName=function, **change)
    assert (status, kind) == (400, "ValidationException") and f"at '{path}' failed to satisfy constraint" in text


def test_a_role_of_another_account_is_refused(lam, function):
    status, kind, text = refused(lam.update_function_configuration, FunctionName=function,
                                 Role="arn:aws:iam::111122223333:role/theirs")
    assert (status, kind, text) == (403, "AccessDeniedException", "Cross-account pass role is not allowed.")


def test_versions_that_start_from_a_snapshot_say_how_that_went(lam, function):
    changed = lam.update_function_configuration(FunctionName=function, SnapStart={"ApplyOn": "PublishedVersions"})
    assert changed["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    settled(lam, function)
    pending = lam.publish_version(FunctionName=function)
    assert (pending["State"], pending["SnapStart"]["ApplyOn"]) == ("Pending", "PublishedVersions")
    lam.get_waiter("published_version_active").wait(FunctionName=function, Qualifier="1",
                                                    WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    config = lam.get_function_configuration(FunctionName=function, Qualifier="1")
    on = config["SnapStart"]["OptimizationStatus"] == "On"
    assert on or config["StateReason"].startswith("SnapStart is off: ")
    assert call(lam, function, Qualifier="1").value == "hello"
