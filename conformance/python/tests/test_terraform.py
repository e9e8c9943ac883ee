"""The calls of Terraform's AWS provider, in its order: what it makes, what it reads back, what it changes and removes.

Source: the provider's resources aws_iam_role, aws_iam_role_policy, aws_iam_role_policy_attachment, aws_iam_policy,
aws_cloudwatch_log_group, aws_lambda_layer_version, aws_lambda_function, aws_lambda_alias, aws_lambda_permission,
aws_lambda_function_url.
"""
import base64
import hashlib
import json
import urllib.parse

import pytest

from harness.calls import call, client, refused, settled
from harness.packages import PYTHON, python
from harness.server import ACCOUNT
from harness.wait import until

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}
WRITES = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}]}
CODE = python("def handler(event, context): return 'one'")
NEWER = python("def handler(event, context): return 'two'")
GROUP = "/aws/lambda/tf-function"


@pytest.fixture(scope="module")
def iam(server):
    return client(server, "iam")


@pytest.fixture(scope="module")
def logs(server):
    return client(server, "logs")


def read_role(iam, name="tf-role"):
    """What `aws_iam_role` reads."""
    role = iam.get_role(RoleName=name)["Role"]
    inline = {one: iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"]
              for page in iam.get_paginator("list_role_policies").paginate(RoleName=name) for one in page["PolicyNames"]}
    attached = [one["PolicyArn"] for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
                for one in page["AttachedPolicies"]]
    return role, inline, attached


def test_a_role_with_its_policies(server, iam):
    assert client(server, "sts").get_caller_identity()["Account"] == ACCOUNT
    made = iam.create_role(RoleName="tf-role", Path="/", AssumeRolePolicyDocument=json.dumps(TRUST), MaxSessionDuration=3600,
                           Tags=[{"Key": "env", "Value": "test"}])["Role"]
    role, inline, attached = read_role(iam)
    assert (role["Arn"], role["RoleId"], inline, attached) == (f"arn:aws:iam::{ACCOUNT}:role/tf-role", made["RoleId"], {}, [])
    assert role["AssumeRolePolicyDocument"] == TRUST and role["Path"] == "/" and role["MaxSessionDuration"] == 3600
    assert role["Tags"] == [{"Key": "env", "Value": "test"}] and role["CreateDate"] == made["CreateDate"]
    assert "PermissionsBoundary" not in role and "Description" not in role

    iam.put_role_policy(RoleName="tf-role", PolicyName="inline", PolicyDocument=json.dumps(WRITES))
    assert iam.get_role_policy(RoleName="tf-role", PolicyName="inline")["PolicyDocument"] == WRITES

    policy = iam.create_policy(PolicyName="tf-policy", Path="/", Description="d", PolicyDocument=json.dumps(WRITES),
                               Tags=[{"Key": "env", "Value": "test"}])["Policy"]
    found = iam.get_policy(PolicyArn=policy["Arn"])["Policy"]
    assert {name: found[name] for name in ("PolicyName", "Path", "Description", "DefaultVersionId", "AttachmentCount", "Tags")} == {
        "PolicyName": "tf-policy", "Path": "/", "Description": "d", "DefaultVersionId": "v1", "AttachmentCount": 0,
        "Tags": [{"Key": "env", "Value": "test"}]}
    assert found["PolicyId"].startswith("ANPA")
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId="v1")["PolicyVersion"]
    assert version["Document"] == WRITES and version["IsDefaultVersion"]

    for arn in (BASIC, policy["Arn"]):
        iam.attach_role_policy(RoleName="tf-role", PolicyArn=arn)
    assert read_role(iam)[1:] == ({"inline": WRITES}, [BASIC, policy["Arn"]])
    who = iam.list_entities_for_policy(PolicyArn=policy["Arn"])
    assert [one["RoleName"] for one in who["PolicyRoles"]] == ["tf-role"]

    # Changes in place.
    other = json.loads(json.dumps(TRUST).replace("lambda.amazonaws.com", "edgelambda.amazonaws.com"))
    both = {**TRUST, "Statement": TRUST["Statement"] + other["Statement"]}
    iam.update_assume_role_policy(RoleName="tf-role", PolicyDocument=json.dumps(both))
    iam.update_role_description(RoleName="tf-role", Description="new")
    iam.update_role(RoleName="tf-role", MaxSessionDuration=7200)
    iam.tag_role(RoleName="tf-role", Tags=[{"Key": "team", "Value": "red"}])
    iam.untag_role(RoleName="tf-role", TagKeys=["env"])
    iam.put_role_permissions_boundary(RoleName="tf-role", PermissionsBoundary=policy["Arn"])
    role = read_role(iam)[0]
    assert (role["AssumeRolePolicyDocument"], role["Description"], role["MaxSessionDuration"]) == (both, "new", 7200)
    assert role["Tags"] == [{"Key": "team", "Value": "red"}]
    assert role["PermissionsBoundary"] == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": policy["Arn"]}
    iam.delete_role_permissions_boundary(RoleName="tf-role")
    # A policy has five versions: the oldest goes before the sixth comes.
    for n in range(6):
        versions = iam.list_policy_versions(PolicyArn=policy["Arn"])["Versions"]
        if len(versions) == 5:
            old = min((one for one in versions if not one["IsDefaultVersion"]), key=lambda one: int(one["VersionId"][1:]))
            assert refused(iam.create_policy_version, PolicyArn=policy["Arn"], PolicyDocument=json.dumps(WRITES))[:2] == (
                409, "LimitExceeded")
            iam.delete_policy_version(PolicyArn=policy["Arn"], VersionId=old["VersionId"])
        iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=json.dumps(WRITES), SetAsDefault=True)
    assert iam.get_policy(PolicyArn=policy["Arn"])["Policy"]["DefaultVersionId"] == "v7"


def find_group(logs, name=GROUP):
    found = [group for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
             for group in page["logGroups"] if group["logGroupName"] == name]
    return found[0] if found else None


def test_a_log_group_before_its_function(logs):
    logs.create_log_group(logGroupName=GROUP, tags={"env": "test"})
    assert refused(logs.create_log_group, logGroupName=GROUP) == (
        400, "ResourceAlreadyExistsException", "The specified log group already exists")
    group = find_group(logs)
    arn = group["arn"].removesuffix(":*")
    assert arn == f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}" and group["logGroupClass"] == "STANDARD"
    assert "retentionInDays" not in group and group["storedBytes"] == 0
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"env": "test"}
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=14)
    assert find_group(logs)["retentionInDays"] == 14
    logs.delete_retention_policy(logGroupName=GROUP)
    assert "retentionInDays" not in find_group(logs)
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=7)
    logs.tag_resource(resourceArn=arn, tags={"team": "red"})
    logs.untag_resource(resourceArn=arn, tagKeys=["env"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "red"}
    assert refused(logs.put_retention_policy, logGroupName=GROUP, retentionInDays=2)[1] == "InvalidParameterException"
    for ask in (lambda: logs.put_retention_policy(logGroupName="/none", retentionInDays=7), lambda: logs.delete_log_group(logGroupName="/none"),
                lambda: logs.list_tags_for_resource(resourceArn=arn + "-none")):
        assert refused(ask)[1:] == ("ResourceNotFoundException", "The specified log group does not exist.")
    assert logs.describe_log_streams(logGroupName=GROUP)["logStreams"] == []


def test_a_function_with_all_that_hangs_on_it(server, lam, iam, logs):
    role = f"arn:aws:iam::{ACCOUNT}:role/tf-role"
    layer = lam.publish_layer_version(LayerName="tf-layer", Content={"ZipFile": CODE}, CompatibleRuntimes=[PYTHON],
                                      CompatibleArchitectures=["x86_64"], Description="d", LicenseInfo="MIT")
    read = lam.get_layer_version(LayerName="tf-layer", VersionNumber=layer["Version"])
    assert read["LayerVersionArn"] == layer["LayerVersionArn"] and read["Content"]["CodeSha256"] == layer["Content"]["CodeSha256"]

    lam.create_function(FunctionName="tf-function", Role=role, Runtime=PYTHON, Handler="app.handler", Code={"ZipFile": CODE},
                        MemorySize=128, Timeout=3, Publish=True, PackageType="Zip", Architectures=["x86_64"],
                        Layers=[layer["LayerVersionArn"]], EphemeralStorage={"Size": 512}, Tags={"env": "test"},
                        LoggingConfig={"LogFormat": "Text", "LogGroup": GROUP}, TracingConfig={"Mode": "PassThrough"})
    settled(lam, "tf-function")
    lam.put_function_concurrency(FunctionName="tf-function", ReservedConcurrentExecutions=5)
    found = lam.get_function(FunctionName="tf-function")
    about = found["Configuration"]
    assert about["FunctionArn"].endswith(":function:tf-function") and about["Role"] == role and about["Version"] == "$LATEST"
    assert found["Tags"] == {"env": "test"} and found["Concurrency"]["ReservedConcurrentExecutions"] == 5
    assert found["Code"]["RepositoryType"] == "S3"
    assert about["CodeSha256"] == base64.b64encode(hashlib.sha256(CODE).digest()).decode()
    assert about["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": GROUP} and about["LastUpdateStatus"] == "Successful"
    assert lam.get_function_code_signing_config(FunctionName="tf-function").get("CodeSigningConfigArn", "") == ""
    newest = [one for page in lam.get_paginator("list_versions_by_function").paginate(FunctionName="tf-function") for one in page["Versions"]]
    assert newest[-1]["Version"] == "1" and newest[-1]["FunctionArn"].endswith(":function:tf-function:1")

    lam.create_alias(FunctionName="tf-function", Name="live", FunctionVersion="1", Description="d")
    assert lam.get_alias(FunctionName="tf-function", Name="live")["AliasArn"].endswith(":tf-function:live")
    lam.add_permission(FunctionName="tf-function", Qualifier="live", StatementId="sns", Action="lambda:InvokeFunction",
                       Principal="sns.amazonaws.com", SourceArn=f"arn:aws:sns:us-east-1:{ACCOUNT}:t")
    policy = json.loads(lam.get_policy(FunctionName="tf-function", Qualifier="live")["Policy"])
    assert [one["Sid"] for one in policy["Statement"]] == ["sns"]
    lam.create_function_url_config(FunctionName="tf-function", AuthType="AWS_IAM", Qualifier="live")
    url = lam.get_function_url_config(FunctionName="tf-function", Qualifier="live")
    assert url["AuthType"] == "AWS_IAM" and url["FunctionUrl"].startswith("http")
    assert call(lam, "tf-function:live").value == "one"
    until(lambda: logs.describe_log_streams(logGroupName=GROUP)["logStreams"], 5, "the function writes to the group that was made for it")
    assert find_group(logs)["retentionInDays"] == 7

    # The next apply.
    lam.update_function_code(FunctionName="tf-function", ZipFile=NEWER, Architectures=["x86_64"])
    settled(lam, "tf-function")
    lam.update_function_configuration(FunctionName="tf-function", MemorySize=256, Role=role)
    settled(lam, "tf-function")
    arn = about["FunctionArn"]
    lam.untag_resource(Resource=arn, TagKeys=["env"])
    lam.tag_resource(Resource=arn, Tags={"team": "red"})
    assert lam.list_tags(Resource=arn)["Tags"] == {"team": "red"}
    version = lam.publish_version(FunctionName="tf-function")["Version"]
    lam.update_alias(FunctionName="tf-function", Name="live", FunctionVersion=version)
    assert call(lam, "tf-function:live").value == "two"


def test_everything_is_taken_down_in_the_opposite_order(lam, iam, logs):
    lam.delete_function_url_config(FunctionName="tf-function", Qualifier="live")
    lam.remove_permission(FunctionName="tf-function", Qualifier="live", StatementId="sns")
    assert refused(lam.get_policy, FunctionName="tf-function", Qualifier="live")[1] == "ResourceNotFoundException"
    lam.delete_alias(FunctionName="tf-function", Name="live")
    lam.delete_function(FunctionName="tf-function")
    assert refused(lam.get_function, FunctionName="tf-function")[1] == "ResourceNotFoundException"
    lam.delete_layer_version(LayerName="tf-layer", VersionNumber=1)
    assert refused(lam.get_layer_version, LayerName="tf-layer", VersionNumber=1)[1] == "ResourceNotFoundException"
    logs.delete_log_group(logGroupName=GROUP)
    assert find_group(logs) is None
    assert refused(logs.filter_log_events, logGroupName=GROUP)[1] == "ResourceNotFoundException"

    policy = f"arn:aws:iam::{ACCOUNT}:policy/tf-policy"
    assert refused(iam.delete_role, RoleName="tf-role") == (409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
    for arn in (BASIC, policy):
        iam.detach_role_policy(RoleName="tf-role", PolicyArn=arn)
    assert refused(iam.detach_role_policy, RoleName="tf-role", PolicyArn=policy)[:2] == (404, "NoSuchEntity")
    assert refused(iam.delete_policy, PolicyArn=policy)[:2] == (409, "DeleteConflict")
    for version in iam.list_policy_versions(PolicyArn=policy)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=policy, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=policy)
    assert refused(iam.get_policy, PolicyArn=policy)[:2] == (404, "NoSuchEntity")
    iam.delete_role_policy(RoleName="tf-role", PolicyName="inline")
    assert iam.list_instance_profiles_for_role(RoleName="tf-role")["InstanceProfiles"] == []
    assert iam.list_attached_role_policies(RoleName="tf-role")["AttachedPolicies"] == []
    iam.delete_role(RoleName="tf-role")
    assert refused(iam.get_role, RoleName="tf-role")[:2] == (404, "NoSuchEntity")


def test_log_groups_are_authorized_by_name_and_tags(server, iam, logs):
    iam.create_user(UserName="tf-logs")
    rights = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:TagResource"], "Resource": f"arn:aws:logs:*:{ACCOUNT}:log-group:/team/*",
         "Condition": {"StringEquals": {"aws:RequestTag/team": "red"}}},
        {"Effect": "Allow", "Action": ["logs:PutRetentionPolicy", "logs:DeleteLogGroup"], "Resource": "*",
         "Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}}]}
    iam.put_user_policy(UserName="tf-logs", PolicyName="p", PolicyDocument=json.dumps(rights))
    key = iam.create_access_key(UserName="tf-logs")["AccessKey"]
    team = client(server, "logs", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    logs.create_log_group(logGroupName="/others")
    for ask in (lambda: team.create_log_group(logGroupName="/team/a"), lambda: team.create_log_group(logGroupName="/x", tags={"team": "red"}),
                lambda: team.put_retention_policy(logGroupName="/others", retentionInDays=1), lambda: team.delete_log_group(logGroupName="/others"),
                lambda: team.delete_log_group(logGroupName="/absent")):
        assert refused(ask)[1] == "AccessDeniedException"
    team.create_log_group(logGroupName="/team/a", tags={"team": "red"})
    team.put_retention_policy(logGroupName="/team/a", retentionInDays=1)
    team.delete_log_group(logGroupName="/team/a")
    logs.delete_log_group(logGroupName="/others")
    iam.delete_access_key(UserName="tf-logs", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="tf-logs", PolicyName="p")
    iam.delete_user(UserName="tf-logs")


def test_a_deployment_assumes_its_role_with_tags_and_a_bound(server, lam, iam):
    """`assume_role` of the provider, the CDK and others: session tags, PolicyArns, a duration."""
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}
    role = iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    tagged = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*",
                                                      "Condition": {"StringEquals": {"aws:PrincipalTag/project": "x"}}}]}
    iam.put_role_policy(RoleName="deployer", PolicyName="p", PolicyDocument=json.dumps(tagged))
    sts = client(server, "sts")

    def session(**more):
        given = sts.assume_role(RoleArn=role, RoleSessionName="apply", DurationSeconds=900, **more)["Credentials"]
        return dict(key=given["AccessKeyId"], secret=given["SecretAccessKey"], token=given["SessionToken"])
    project = {"Tags": [{"Key": "Project", "Value": "x"}]}
    assert refused(client(server, **session()).list_functions)[1] == "AccessDeniedException"
    assert client(server, **session(**project)).list_functions()["Functions"] is not None
    reads = session(**project, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"}])
    assert client(server, **reads).list_functions()["Functions"] is not None
    assert refused(client(server, **reads).delete_function, FunctionName="x")[2].endswith("no session policy allows the lambda:DeleteFunction action")
    assert refused(sts.assume_role, RoleArn=role, RoleSessionName="apply", SourceIdentity="ann")[1] == "ValidationError"
    assert refused(client(server, "iam", **session(**project)).get_user)[1] == "ValidationError"
    known = iam.create_user(UserName="keyed") and iam.create_access_key(UserName="keyed")["AccessKey"]["AccessKeyId"]
    assert sts.get_access_key_info(AccessKeyId=known)["Account"] == ACCOUNT
    assert refused(sts.get_access_key_info, AccessKeyId="AKIAABSENTABSENTABSE")[1] == "ValidationError"
    iam.delete_access_key(UserName="keyed", AccessKeyId=known)
    iam.delete_user(UserName="keyed")
    iam.delete_role_policy(RoleName="deployer", PolicyName="p")
    iam.delete_role(RoleName="deployer")


def test_documents_travel_encoded_as_rfc_3986_has_it(server, iam):
    """Providers decode what they read once; a plus or a percent sign must come back as it was."""
    odd = {"Version": "2012-10-17", "Statement": [{"Sid": "Odd", "Effect": "Allow", "Action": "s3:*",
                                                   "Resource": "arn:aws:s3:::b/a+b%20c/é*"}]}
    iam.create_role(RoleName="odd", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.put_role_policy(RoleName="odd", PolicyName="p", PolicyDocument=json.dumps(odd))
    seen = []
    iam.meta.events.register("after-call", lambda http_response, **_: seen.append(http_response.text))
    assert iam.get_role_policy(RoleName="odd", PolicyName="p")["PolicyDocument"] == odd
    sent = seen[-1].split("<PolicyDocument>")[1].split("</PolicyDocument>")[0]
    assert json.loads(urllib.parse.unquote(sent)) == odd and "+" not in sent
    iam.delete_role_policy(RoleName="odd", PolicyName="p")
    iam.delete_role(RoleName="odd")
