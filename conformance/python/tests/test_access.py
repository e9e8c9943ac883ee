"""Accounts, users and roles: who may do what, as boto3 and the aws command meet it."""
import json

import pytest

from harness import books
from harness.calls import call, client, create, refused, settled
from harness.commands import aws, environment, lacewing, run
from harness.packages import PYTHON, python, with_boto3
from harness.signing import send, signed
from harness.server import ACCOUNT, KEY, SECRET
from harness.wait import until

OTHER = "111111111111"
ECHO = python("import os\ndef handler(event, context): return {'got': event, 'arn': context.invoked_function_arn}")
TRUST_LAMBDA = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


def allow(*actions, resource="*", **more):
    return {"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}]}


class Key:
    """A key as `lacewing key create` makes it, and clients that sign with it."""

    def __init__(self, server, *words, policy=None, tmp=None):
        if policy is not None:
            file = tmp / "policy.json"
            file.write_text(json.dumps(policy))
            words += ("--policy", str(file))
        made = json.loads(lacewing(server, "key", "create", *words, "--json").stdout)
        self.server, self.id, self.secret = server, made["access_key_id"], made["secret_access_key"]
        self.user, self.account = made.get("user"), made["account"]

    def client(self, service="lambda"):
        return client(self.server, service, key=self.id, secret=self.secret)


@pytest.fixture(scope="module")
def other(server):
    """Another account's root key."""
    return Key(server, "--account", OTHER)


@pytest.fixture(scope="module")
def iam(server):
    return client(server, "iam")


@pytest.fixture
def key(server, tmp_path):
    return lambda policy, *words, account=ACCOUNT: Key(server, "--account", account, *words, policy=policy, tmp=tmp_path)


@pytest.fixture(scope="module")
def mine(deploy):
    return deploy(ECHO, "same-name")


@pytest.fixture(scope="module")
def theirs(other):
    their = other.client()
    their.create_function(FunctionName="same-name", Runtime=PYTHON, Handler="app.handler", Code={"ZipFile": ECHO}, MemorySize=256,
                          Role=f"arn:aws:iam::{OTHER}:role/of-the-function")
    settled(their, "same-name")
    return "same-name"


def test_each_account_sees_its_own_function_of_a_name(lam, other, mine, theirs):
    their = other.client()
    assert call(lam, mine).value["arn"].split(":")[4] == ACCOUNT
    assert call(their, theirs).value["arn"].split(":")[4] == OTHER
    assert lam.get_function_configuration(FunctionName=mine)["MemorySize"] == 128
    found = their.get_function(FunctionName=theirs)
    assert found["Configuration"]["FunctionArn"] == f"arn:aws:lambda:us-east-1:{OTHER}:function:same-name"
    assert {f["FunctionArn"].split(":")[4] for f in their.list_functions()["Functions"]} == {OTHER}
    assert their.get_account_settings()["AccountUsage"]["FunctionCount"] == 1


def test_an_account_reaches_nothing_of_another(server, lam, other, mine, theirs):
    """Not by name, not by ARN, not its logs, not its bill; and the other's function stands."""
    their, arn = other.client(), f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{mine}"
    for ask in (lambda: their.get_function(FunctionName=arn), lambda: their.delete_function(FunctionName=arn),
                lambda: their.invoke(FunctionName=arn), lambda: their.get_function_configuration(FunctionName=arn),
                lambda: their.update_function_configuration(FunctionName=arn, Timeout=5)):
        status, error, _ = refused(ask)
        assert (status, error) == (403, "AccessDeniedException")
    status, error, text = refused(their.invoke, FunctionName=arn)
    assert text == (f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: lambda:InvokeFunction on resource: {arn} "
                    "because no resource-based policy allows the lambda:InvokeFunction action")
    create(lam, "only-mine", ECHO)
    assert refused(their.get_function, FunctionName="only-mine")[0] == 404

    call(lam, "only-mine", {"secret": 1})
    until(lambda: client(server, "logs").describe_log_streams(logGroupName="/aws/lambda/only-mine")["logStreams"], 5, "no logs")
    logs = other.client("logs")
    names = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    assert "/aws/lambda/only-mine" not in names
    assert refused(logs.filter_log_events, logGroupName="/aws/lambda/only-mine")[1] == "ResourceNotFoundException"

    bill = json.loads(run_cost(server, other))
    assert bill["account"] == OTHER and {line["function"] for line in bill["lines"]} <= {"same-name"}
    assert "only-mine" in {line["function"] for line in books.cost(server)["lines"]}
    for path, status in (("/_lacewing/metrics", 403), ("/_lacewing/doctor", 200)):
        answer = send(signed(server, path=path, key=other.id, secret=other.secret))
        assert answer.status_code == status and "only-mine" not in answer.text
    their.publish_layer_version(LayerName="theirs", Content={"ZipFile": ECHO})
    assert lam.list_layers()["Layers"] == [] and len(their.list_layers()["Layers"]) == 1
    layer = f"arn:aws:lambda:us-east-1:{OTHER}:layer:theirs:1"
    assert refused(lam.get_layer_version_by_arn, Arn=layer)[1] == "AccessDeniedException"
    lam.delete_function(FunctionName="only-mine")


def run_cost(server, key):
    from harness.server import BINARY
    env = environment(server, AWS_ACCESS_KEY_ID=key.id, AWS_SECRET_ACCESS_KEY=key.secret)
    return run([BINARY, "cost", "--json"], env, 0).stdout


def test_the_package_of_another_accounts_function_comes_by_its_link(other, theirs):
    import requests
    link = other.client().get_function(FunctionName=theirs)["Code"]["Location"]
    assert requests.get(link, timeout=10).content[:2] == b"PK"
    assert requests.get(link.replace(OTHER, ACCOUNT), timeout=10).status_code == 403


def test_a_key_may_do_what_its_policy_says_and_no_more(lam, key, mine):
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{mine}"
    narrow = key(allow("lambda:InvokeFunction", resource=arn))
    assert call(narrow.client(), mine, {"a": 1}).value["got"] == {"a": 1}
    status, error, text = refused(narrow.client().get_function, FunctionName=mine)
    who = f"arn:aws:iam::{ACCOUNT}:user/lacewing/{narrow.user}"
    assert (status, error) == (403, "AccessDeniedException")
    assert text == (f"User: {who} is not authorized to perform: lambda:GetFunction on resource: {arn} "
                    "because no identity-based policy allows the lambda:GetFunction action")
    assert refused(narrow.client().list_functions)[1] == "AccessDeniedException"
    assert refused(narrow.client("logs").describe_log_groups)[1] == "AccessDeniedException"
    assert refused(narrow.client("iam").create_user, UserName="x")[:2] == (403, "AccessDenied")

    denied = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "lambda:Delete*", "Resource": "*"},
        {"Effect": "Deny", "Action": "lambda:Invoke*", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}
    almost = key(denied).client()
    assert almost.get_function(FunctionName=mine)
    assert refused(almost.delete_function, FunctionName=mine)[2].endswith("with an explicit deny in an identity-based policy")
    assert refused(almost.invoke, FunctionName=mine)[2].endswith("with an explicit deny in an identity-based policy")


def test_conditions_know_tags_and_regions(lam, key, server):
    create(lam, "tagged", ECHO, Tags={"team": "red"})
    red = key(allow("lambda:*", Condition={"StringEquals": {"aws:ResourceTag/team": "red", "aws:RequestedRegion": "us-east-1"}}))
    assert red.client().get_function(FunctionName="tagged")
    assert refused(red.client().get_function, FunctionName="same-name")[0] == 403
    elsewhere = client(server, key=red.id, secret=red.secret, region="eu-west-1")
    assert refused(elsewhere.get_function, FunctionName="tagged")[0] == 403
    lam.delete_function(FunctionName="tagged")


def test_keys_are_listed_without_secrets_and_removed_for_good(server, key):
    made = key(allow("lambda:ListFunctions"))
    assert made.client().list_functions() is not None
    listed = json.loads(lacewing(server, "key", "ls", "--json").stdout)
    assert [one["user"] for one in listed if one["access_key_id"] == made.id] == [made.user]
    assert made.secret not in lacewing(server, "key", "ls").stdout + json.dumps(listed)
    lacewing(server, "key", "rm", made.id)
    assert refused(made.client().list_functions)[1] == "UnrecognizedClientException"
    assert "cannot be found" in lacewing(server, "key", "rm", made.id, expect=1).stderr
    assert "Syntax errors in policy." in run_key(server, "not a policy")


def run_key(server, text):
    from harness.server import BINARY
    import subprocess
    done = subprocess.run([BINARY, "key", "create", "--account", OTHER, "--policy", "-"], input=text, text=True,
                          env=environment(server), capture_output=True, timeout=30)
    assert done.returncode == 1
    return done.stderr


def test_only_root_keys_make_keys_and_only_of_their_account(server, other, key):
    from harness.server import BINARY
    everything = key(allow("*"))
    for who, account, code in ((everything, ACCOUNT, 1), (other, ACCOUNT, 1), (other, OTHER, 0)):
        env = environment(server, AWS_ACCESS_KEY_ID=who.id, AWS_SECRET_ACCESS_KEY=who.secret)
        run([BINARY, "key", "create", "--account", account], env, code)
    env = environment(server, AWS_ACCESS_KEY_ID=other.id, AWS_SECRET_ACCESS_KEY=other.secret)
    seen = json.loads(run([BINARY, "key", "ls", "--json"], env, 0).stdout)
    assert {one["account"] for one in seen} == {OTHER}


def test_everybody_may_ask_who_they_are(server, other, key):
    assert client(server, "sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert other.client("sts").get_caller_identity()["Account"] == OTHER
    nobody = key(allow("s3:GetObject"), "--user", "nobody")
    who = nobody.client("sts").get_caller_identity()
    assert who["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/nobody" and who["UserId"].startswith("AIDA")
    assert json.loads(aws(server, "sts", "get-caller-identity").stdout)["Account"] == ACCOUNT
    bad = client(server, "sts", secret="wrong")
    assert refused(bad.get_caller_identity)[:2] == (403, "SignatureDoesNotMatch")
    assert refused(client(server, "iam", key="AKIANOBODY0000000000").list_users)[:2] == (403, "InvalidClientTokenId")


def test_roles_live_as_tools_expect(iam):
    made = iam.create_role(RoleName="r1", AssumeRolePolicyDocument=json.dumps(TRUST_LAMBDA), Description="for <tests> & more",
                           Tags=[{"Key": "team", "Value": "red"}], MaxSessionDuration=7200)["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/r1" and made["RoleId"].startswith("AROA")
    got = iam.get_role(RoleName="r1")["Role"]
    assert got["AssumeRolePolicyDocument"] == TRUST_LAMBDA and got["Description"] == "for <tests> & more"
    assert got["Tags"] == [{"Key": "team", "Value": "red"}] and got["MaxSessionDuration"] == 7200
    assert refused(iam.create_role, RoleName="r1", AssumeRolePolicyDocument=json.dumps(TRUST_LAMBDA)) == (
        409, "EntityAlreadyExists", "Role with name r1 already exists.")
    assert refused(iam.get_role, RoleName="none") == (404, "NoSuchEntity", "The role with name none cannot be found.")
    assert refused(iam.create_role, RoleName="r2", AssumeRolePolicyDocument="{")[:2] == (400, "MalformedPolicyDocument")
    assert refused(iam.create_role, AssumeRolePolicyDocument="{}")[1] == "ValidationError"

    iam.put_role_policy(RoleName="r1", PolicyName="inline", PolicyDocument=json.dumps(allow("logs:*")))
    assert iam.get_role_policy(RoleName="r1", PolicyName="inline")["PolicyDocument"] == allow("logs:*")
    assert iam.list_role_policies(RoleName="r1")["PolicyNames"] == ["inline"]
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName="r1", PolicyArn=basic)
    assert iam.list_attached_role_policies(RoleName="r1")["AttachedPolicies"] == [
        {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": basic}]
    document = iam.get_policy_version(PolicyArn=basic, VersionId=iam.get_policy(PolicyArn=basic)["Policy"]["DefaultVersionId"])
    assert "logs:PutLogEvents" in document["PolicyVersion"]["Document"]["Statement"][0]["Action"]
    assert refused(iam.delete_role, RoleName="r1")[1] == "DeleteConflict"
    iam.tag_role(RoleName="r1", Tags=[{"Key": "a", "Value": "b"}])
    iam.untag_role(RoleName="r1", TagKeys=["team"])
    assert iam.list_role_tags(RoleName="r1")["Tags"] == [{"Key": "a", "Value": "b"}]
    iam.update_role(RoleName="r1", Description="new")
    iam.update_assume_role_policy(RoleName="r1", PolicyDocument=json.dumps(TRUST_LAMBDA))
    assert iam.list_instance_profiles_for_role(RoleName="r1")["InstanceProfiles"] == []
    iam.get_waiter("role_exists").wait(RoleName="r1")
    iam.detach_role_policy(RoleName="r1", PolicyArn=basic)
    iam.delete_role_policy(RoleName="r1", PolicyName="inline")
    iam.delete_role(RoleName="r1")
    assert "r1" not in [role["RoleName"] for role in iam.list_roles()["Roles"]]


def test_managed_policies_have_versions_and_lists_have_pages(iam):
    arn = iam.create_policy(PolicyName="p1", PolicyDocument=json.dumps(allow("lambda:Get*")))["Policy"]["Arn"]
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(allow("lambda:*")), SetAsDefault=True)
    assert made["PolicyVersion"]["VersionId"] == "v2"
    assert [v["VersionId"] for v in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == ["v2", "v1"]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    assert refused(iam.delete_policy, PolicyArn=arn)[1] == "DeleteConflict"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    for n in range(5):
        iam.create_user(UserName=f"page-{n}")
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2})
    assert {f"page-{n}" for n in range(5)} <= {user["UserName"] for page in pages for user in page["Users"]}
    local = iam.list_policies(Scope="Local")["Policies"]
    assert [policy["PolicyName"] for policy in local] == ["p1"]
    iam.delete_policy(PolicyArn=arn)
    for n in range(5):
        iam.delete_user(UserName=f"page-{n}")


def test_users_and_their_keys_are_made_by_iam(server, iam, mine):
    iam.create_user(UserName="ann", Path="/staff/")
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=json.dumps(
        allow("lambda:InvokeFunction", "iam:*AccessKey*", resource=[
            "arn:aws:lambda:*:*:function:same-*", "arn:aws:iam::*:user/staff/${aws:username}"])))
    made = iam.create_access_key(UserName="ann")["AccessKey"]
    own = dict(key=made["AccessKeyId"], secret=made["SecretAccessKey"])
    assert call(client(server, **own), mine).status == 200
    listed = client(server, "iam", **own).list_access_keys()["AccessKeyMetadata"]
    assert [one["AccessKeyId"] for one in listed] == [made["AccessKeyId"]] and "SecretAccessKey" not in listed[0]
    assert refused(client(server, "iam", **own).list_access_keys, UserName="nobody")[:2] == (403, "AccessDenied")
    iam.update_access_key(UserName="ann", AccessKeyId=made["AccessKeyId"], Status="Inactive")
    assert refused(client(server, **own).invoke, FunctionName=mine)[1] == "UnrecognizedClientException"
    iam.update_access_key(UserName="ann", AccessKeyId=made["AccessKeyId"], Status="Active")
    assert call(client(server, **own), mine).status == 200
    assert refused(iam.delete_user, UserName="ann")[1] == "DeleteConflict"
    iam.delete_access_key(UserName="ann", AccessKeyId=made["AccessKeyId"])
    iam.delete_user_policy(UserName="ann", PolicyName="p")
    iam.delete_user(UserName="ann")


def test_the_aws_command_makes_a_role_and_a_function_of_it(server, lam, tmp_path):
    (tmp_path / "trust.json").write_text(json.dumps(TRUST_LAMBDA))
    (tmp_path / "app.zip").write_bytes(ECHO)
    role = json.loads(aws(server, "iam", "create-role", "--role-name", "cli-role", "--assume-role-policy-document",
                          f"file://{tmp_path}/trust.json").stdout)["Role"]
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    aws(server, "iam", "attach-role-policy", "--role-name", "cli-role", "--policy-arn", basic)
    aws(server, "iam", "wait", "role-exists", "--role-name", "cli-role")
    aws(server, "lambda", "create-function", "--function-name", "by-cli", "--runtime", PYTHON, "--handler", "app.handler",
        "--role", role["Arn"], "--zip-file", f"fileb://{tmp_path}/app.zip")
    aws(server, "lambda", "wait", "function-active-v2", "--function-name", "by-cli")
    assert call(lam, "by-cli", {"n": 1}).value["got"] == {"n": 1}
    lam.delete_function(FunctionName="by-cli")
    aws(server, "iam", "detach-role-policy", "--role-name", "cli-role", "--policy-arn", basic)
    aws(server, "iam", "delete-role", "--role-name", "cli-role")


def test_a_role_is_passed_on_by_whom_may_and_to_a_service_that_it_trusts(iam, key):
    trust_other = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    good = iam.create_role(RoleName="for-lambda", AssumeRolePolicyDocument=json.dumps(TRUST_LAMBDA))["Role"]["Arn"]
    bad = iam.create_role(RoleName="for-ec2", AssumeRolePolicyDocument=json.dumps(trust_other))["Role"]["Arn"]
    make = dict(Runtime=PYTHON, Handler="app.handler", Code={"ZipFile": ECHO})
    without = key(allow("lambda:*")).client()
    status, error, text = refused(without.create_function, FunctionName="passed", Role=good, **make)
    assert (status, error) == (403, "AccessDeniedException")
    assert text.endswith(f"is not authorized to perform: iam:PassRole on resource: {good} because no identity-based policy "
                         "allows the iam:PassRole action")
    only = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    both = {"Version": "2012-10-17", "Statement": allow("lambda:*")["Statement"] + allow(
        "iam:PassRole", resource=good, Condition=only)["Statement"]}
    may = key(both).client()
    may.create_function(FunctionName="passed", Role=good, **make)
    settled(may, "passed")
    assert refused(may.update_function_configuration, FunctionName="passed", Role=bad)[1] == "AccessDeniedException"
    status, error, text = refused(key(allow("*")).client().update_function_configuration, FunctionName="passed", Role=bad)
    assert (status, error, text) == (400, "InvalidParameterValueException",
                                     "The role defined for the function cannot be assumed by Lambda.")
    may.delete_function(FunctionName="passed")
    for name in ("for-lambda", "for-ec2"):
        iam.delete_role(RoleName=name)


CALLER = with_boto3({"app.py": """
import boto3

def handler(event, context):
    try:
        if event.get("who"):
            return boto3.client("sts").get_caller_identity()["Arn"]
        return boto3.client("lambda").invoke(FunctionName=event["name"])["StatusCode"]
    except Exception as error:
        return str(error)
"""})


def test_a_functions_role_says_what_the_function_may_do(lam, iam, mine):
    role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(TRUST_LAMBDA))["Role"]["Arn"]
    create(lam, "runs-as", CALLER, Timeout=30, MemorySize=512)
    lam.update_function_configuration(FunctionName="runs-as", Role=role)
    settled(lam, "runs-as")
    text = call(lam, "runs-as", {"name": mine}).value
    assert f"User: arn:aws:sts::{ACCOUNT}:assumed-role/runs/runs-as is not authorized to perform: lambda:InvokeFunction" in text
    iam.put_role_policy(RoleName="runs", PolicyName="p", PolicyDocument=json.dumps(
        allow("lambda:InvokeFunction", resource=f"arn:aws:lambda:*:*:function:{mine}")))
    assert call(lam, "runs-as", {"name": mine}).value == 200
    assert "AccessDenied" in call(lam, "runs-as", {"name": "runs-as"}).value
    assert call(lam, "runs-as", {"who": True}).value == f"arn:aws:sts::{ACCOUNT}:assumed-role/runs/runs-as"
    lam.delete_function(FunctionName="runs-as")
    iam.delete_role_policy(RoleName="runs", PolicyName="p")
    iam.delete_role(RoleName="runs")


def test_strict_roles_leave_nothing_to_a_role_that_nobody_made(start_server):
    strict = start_server("[access]\nstrict_roles = true\n")
    lam = client(strict)
    status, error, text = refused(create, lam, "f", ECHO)
    assert (status, error) == (400, "InvalidParameterValueException") and "cannot be assumed" in text


def test_a_role_is_assumed_across_accounts(server, other, iam, mine):
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "sts:AssumeRole",
                                                     "Condition": {"StringEquals": {"sts:ExternalId": "42"}}}]}
    role = iam.create_role(RoleName="guest", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.attach_role_policy(RoleName="guest", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaRole")
    sts = other.client("sts")
    ask = dict(RoleArn=role, RoleSessionName="visit", ExternalId="42")
    assert refused(sts.assume_role, RoleArn=role, RoleSessionName="visit") == (
        403, "AccessDenied", f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: sts:AssumeRole on resource: {role}")
    given = sts.assume_role(**ask)["Credentials"]
    session = dict(key=given["AccessKeyId"], secret=given["SecretAccessKey"], token=given["SessionToken"])
    guest = client(server, **session)
    assert call(guest, mine).value["arn"].split(":")[4] == ACCOUNT
    assert refused(guest.get_function, FunctionName=mine)[1] == "AccessDeniedException"
    assert client(server, "sts", **session).get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/guest/visit"
    none = sts.assume_role(**ask, Policy=json.dumps(allow("s3:*")))["Credentials"]
    narrowed = client(server, key=none["AccessKeyId"], secret=none["SecretAccessKey"], token=none["SessionToken"])
    assert refused(narrowed.invoke, FunctionName=mine)[2].endswith(
        "because no session policy allows the lambda:InvokeFunction action")
    forged = client(server, **{**session, "token": none["SessionToken"]})
    assert refused(forged.invoke, FunctionName=mine)[1] == "UnrecognizedClientException"
    iam.detach_role_policy(RoleName="guest", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaRole")
    assert refused(guest.invoke, FunctionName=mine)[1] == "AccessDeniedException"
    iam.delete_role(RoleName="guest")


def test_a_functions_policy_lets_other_accounts_in(lam, other, key, mine):
    arn, their = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{mine}", other.client()
    assert refused(their.invoke, FunctionName=arn)[1] == "AccessDeniedException"
    lam.add_permission(FunctionName=mine, StatementId="them", Action="lambda:InvokeFunction", Principal=OTHER)
    answer = call(their, arn)
    assert answer.value["arn"] == arn, "it runs in its own account"
    assert call(their, f"{ACCOUNT}:function:{mine}").status == 200
    assert refused(their.get_function, FunctionName=arn)[1] == "AccessDeniedException"
    powerless = key(allow("s3:*"), account=OTHER).client()
    assert refused(powerless.invoke, FunctionName=arn)[2].endswith("because no identity-based policy allows the "
                                                                  "lambda:InvokeFunction action")
    assert call(key(allow("lambda:InvokeFunction", resource=arn), account=OTHER).client(), arn).status == 200
    number = lam.publish_version(FunctionName=mine)["Version"]
    assert refused(their.invoke, FunctionName=f"{arn}:{number}")[1] == "AccessDeniedException", "each version has its own"
    lam.add_permission(FunctionName=mine, Qualifier=number, StatementId="v", Action="lambda:InvokeFunction", Principal=OTHER)
    assert call(their, f"{arn}:{number}").version == number
    lam.remove_permission(FunctionName=mine, StatementId="them")
    assert refused(their.invoke, FunctionName=arn)[2].endswith("because no resource-based policy allows the "
                                                              "lambda:InvokeFunction action")


def test_a_functions_policy_names_a_user_of_its_own_account(lam, iam, key, mine):
    nobody = key(allow("s3:*"), "--user", "named")
    assert refused(nobody.client().invoke, FunctionName=mine)[1] == "AccessDeniedException"
    lam.add_permission(FunctionName=mine, StatementId="u", Action="lambda:InvokeFunction",
                       Principal=f"arn:aws:iam::{ACCOUNT}:user/named")
    assert call(nobody.client(), mine).status == 200
    lam.remove_permission(FunctionName=mine, StatementId="u")
    assert refused(nobody.client().invoke, FunctionName=mine)[1] == "AccessDeniedException"


def test_identities_and_sessions_outlive_a_kill(own_server):
    server = own_server().start()
    iam = client(server, "iam")
    key = Key(server, "--account", OTHER)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(allow("lambda:List*")))
    given = client(server, "sts").assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    server.kill()
    server.start()
    assert key.client().list_functions()["Functions"] == []
    session = client(server, key=given["AccessKeyId"], secret=given["SecretAccessKey"], token=given["SessionToken"])
    assert session.list_functions()["Functions"] == []
    assert client(server, "iam").get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"] == allow("lambda:List*")
    for file in server.data.glob("lacewing.db*"):
        assert key.secret.encode() not in file.read_bytes()
    assert (server.data / "seed").stat().st_mode & 0o777 == 0o600
