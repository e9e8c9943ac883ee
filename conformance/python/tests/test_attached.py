"""What is attached to functions: tags, policies, event invoke configurations, URLs, settings. Kept over a kill."""
import json

import pytest
from botocore.exceptions import ClientError

from harness.calls import client, create, refused
from harness.packages import python
from harness.server import ACCOUNT, REGION

HELLO = python("def handler(event, context):\n    return 'hello'\n")
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"


@pytest.fixture
def name(deploy):
    return deploy(HELLO)


def test_tags_are_added_replaced_and_removed(lam, name):
    lam.tag_resource(Resource=ARN + name, Tags={"team": "a", "stage": "test"})
    lam.tag_resource(Resource=ARN + name, Tags={"team": "b"})
    assert lam.list_tags(Resource=ARN + name)["Tags"] == {"team": "b", "stage": "test"}
    lam.untag_resource(Resource=ARN + name, TagKeys=["team", "none"])
    assert lam.get_function(FunctionName=name)["Tags"] == {"stage": "test"}
    error = refused(lam.list_tags, Resource=ARN + name + ":1")
    assert error == (400, "InvalidParameterValueException",
                     "Tags on function aliases and versions are not supported. Please specify a function ARN.")


def test_a_policy_grows_and_shrinks_by_statements(lam, name):
    added = lam.add_permission(FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction",
                               Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::bucket", SourceAccount=ACCOUNT)
    statement = json.loads(added["Statement"])
    assert statement == {
        "Sid": "s3", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction", "Resource": ARN + name,
        "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"}},
    }
    policy = lam.get_policy(FunctionName=name)
    assert json.loads(policy["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    lam.add_permission(FunctionName=name, StatementId="all", Action="lambda:*", Principal="*",
                       RevisionId=policy["RevisionId"])
    with pytest.raises(lam.exceptions.PreconditionFailedException):
        lam.remove_permission(FunctionName=name, StatementId="s3", RevisionId=policy["RevisionId"])
    with pytest.raises(lam.exceptions.ResourceConflictException):
        lam.add_permission(FunctionName=name, StatementId="all", Action="lambda:*", Principal="*")
    for sid in ("s3", "all"):
        lam.remove_permission(FunctionName=name, StatementId=sid)
    with pytest.raises(lam.exceptions.ResourceNotFoundException):
        lam.get_policy(FunctionName=name)


def test_event_invoke_configs_are_put_merged_and_listed(lam, name):
    put = lam.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    assert put["FunctionArn"] == ARN + name + ":$LATEST" and put["LastModified"].year >= 2024
    assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
    lam.update_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=60,
                                            DestinationConfig={"OnFailure": {"Destination": queue}})
    config = lam.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 60)
    assert config["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": queue}}
    listed = lam.get_paginator("list_function_event_invoke_configs").paginate(FunctionName=name)
    assert len(listed.build_full_result()["FunctionEventInvokeConfigs"]) == 1
    lam.delete_function_event_invoke_config(FunctionName=name)
    with pytest.raises(lam.exceptions.ResourceNotFoundException):
        lam.get_function_event_invoke_config(FunctionName=name)


def test_a_url_stays_the_same_through_its_changes(lam, name, server):
    made = lam.create_function_url_config(FunctionName=name, AuthType="NONE")
    host = made["FunctionUrl"].removeprefix("http://").removesuffix("/")
    label, rest = host.split(".", 1)
    assert len(label) == 32 and label.isalnum() and label.islower()
    assert rest == f"lambda-url.{REGION}.localhost:{server.port}"
    assert "InvokeMode" not in made and made["FunctionArn"] == ARN + name
    changed = lam.update_function_url_config(FunctionName=name, AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM",
                                             Cors={"AllowOrigins": ["*"], "MaxAge": 60})
    assert changed["FunctionUrl"] == made["FunctionUrl"] and changed["AuthType"] == "AWS_IAM"
    got = lam.get_function_url_config(FunctionName=name)
    assert (got["InvokeMode"], got["Cors"]) == ("RESPONSE_STREAM", {"AllowOrigins": ["*"], "MaxAge": 60})
    assert len(lam.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]) == 1
    lam.delete_function_url_config(FunctionName=name)
    with pytest.raises(lam.exceptions.ResourceNotFoundException):
        lam.get_function_url_config(FunctionName=name)


def test_settings_have_defaults_and_are_kept(lam, name):
    assert lam.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    lam.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert lam.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    assert lam.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "Auto"
    lam.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    assert lam.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "FunctionUpdate"


def test_what_is_attached_survives_a_kill_and_goes_with_its_function(own_server):
    server = own_server().start()
    lam = client(server)
    create(lam, "kept", HELLO)
    lam.add_permission(FunctionName="kept", StatementId="a", Action="lambda:*", Principal="*")
    url = lam.create_function_url_config(FunctionName="kept", AuthType="NONE")["FunctionUrl"]
    lam.tag_resource(Resource=ARN + "kept", Tags={"a": "b"})
    server.kill()
    server.start()
    lam = client(server)
    assert lam.get_function_url_config(FunctionName="kept")["FunctionUrl"].split(".")[0] == url.split(".")[0]
    assert lam.get_function(FunctionName="kept")["Tags"] == {"a": "b"}
    lam.delete_function(FunctionName="kept")
    create(lam, "kept", HELLO)
    for call in (lam.get_policy, lam.get_function_url_config):
        with pytest.raises(ClientError):
            call(FunctionName="kept")
