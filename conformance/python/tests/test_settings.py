"""Settings that are about AWS's own surroundings: kept, versioned and shown as AWS shows them."""
import base64
import json
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from harness.calls import call, client, create, refused, settled
from harness.commands import lacewing
from harness.packages import PYTHON, ROLE, python
from harness.server import KEY as ROOT_KEY, REGION, SECRET

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


@pytest.mark.parametrize("field, value, lacks", [
    ("CapacityProviderConfig", {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "a"}}, "Managed Instances"),
    ("RuntimeConfig", {"Any": 1}, "Managed Instances"),
    ("AcceleratorConfig", {"Any": 1}, "Managed Instances"),
    ("DurableConfig", {"ExecutionTimeout": 60}, "durable executions"),
    ("PublishTo", "LATEST_PUBLISHED", "Managed Instances"),
])
def test_what_is_not_there_is_refused_and_named(lam, server, function, field, value, lacks):
    """Sent as they are: not every client's model knows them."""
    new = {"FunctionName": "new", "Runtime": PYTHON, "Handler": "app.handler", "Role": ROLE,
           "Code": {"ZipFile": base64.b64encode(HELLO).decode()}}
    asked = [("POST", "/2015-03-31/functions", {**new, field: value})]
    if field == "PublishTo":
        asked.append(("PUT", f"/2015-03-31/functions/{function}/code", {"ZipFile": new["Code"]["ZipFile"], field: value}))
        asked.append(("POST", f"/2015-03-31/functions/{function}/versions", {field: value}))
    else:
        asked.append(("PUT", f"/2015-03-31/functions/{function}/configuration", {field: value}))
    for method, path, body in asked:
        status, kind, text = sent(server, method, path, body)
        assert (status, kind) == (400, "InvalidParameterValueException"), (path, text)
        assert text["Type"] == "User" and text["message"].startswith(f"{field} is for ") and lacks in text["message"], text
    assert refused(lam.get_function, FunctionName="new")[0] == 404


def sent(server, method, path, body):
    """A signed request of any shape: `(status, error type, body)`."""
    request = botocore.awsrequest.AWSRequest(method, server.url + path, data=json.dumps(body))
    keys = botocore.credentials.Credentials(ROOT_KEY, SECRET)
    botocore.auth.SigV4Auth(keys, "lambda", REGION).add_auth(request)
    made = urllib.request.Request(server.url + path, request.body, dict(request.headers), method=method)
    try:
        with urllib.request.urlopen(made) as reply:
            return reply.status, None, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, error.headers["x-amzn-ErrorType"].split(":")[0], json.load(error)


def test_a_runtime_that_this_host_lacks_is_refused_with_what_it_has(start_server):
    server = start_server("[runtimes]\nnearest = false\n")
    lam = client(server)
    doctor = json.loads(lacewing(server, "doctor", "--json").stdout)
    has = {found["version"].rsplit(".", 1)[0] for found in doctor["interpreters"] if found["language"] == "python"}
    absent = next((f"python3.{minor}" for minor in range(6, 15) if f"3.{minor}" not in has), None)
    if not absent:
        pytest.skip("this host has every Python")
    status, kind, text = refused(create, lam, "absent", HELLO, runtime=absent)
    assert (status, kind) == (400, "InvalidParameterValueException")
    assert text.startswith(f"Runtime {absent} is not available on this host, which has: ") and "ython 3." in text, text
    assert text.endswith("To mend it, set runtimes.nearest = true to use the nearest version."), text


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
