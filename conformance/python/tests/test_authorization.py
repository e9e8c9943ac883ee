"""What conditions can ask for, and what one account may do to another's function, as boto3 meets it."""
import json
import time

import pytest

from harness.calls import call, client, create, refused, settled
from harness.commands import lacewing
from harness.packages import PYTHON, python, with_boto3
from harness.server import ACCOUNT
from harness.signing import send, signed

OTHER = "111111111111"
ECHO = python("def handler(event, context): return {'got': event, 'arn': context.invoked_function_arn}")
TRUST_LAMBDA = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


def statement(effect, *actions, resource="*", **condition):
    made = {"Effect": effect, "Action": list(actions), "Resource": resource}
    return {**made, "Condition": condition} if condition else made


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.fixture
def key(server, tmp_path):
    """Makes a key that may do what these statements say."""
    def make(*statements, account=ACCOUNT, user=None):
        words = ["key", "create", "--account", account, "--json", *(("--user", user) if user else ())]
        if statements:
            (tmp_path / "policy.json").write_text(json.dumps(policy(*statements)))
            words += ["--policy", str(tmp_path / "policy.json")]
        made = json.loads(lacewing(server, *words).stdout)
        return {"key": made["access_key_id"], "secret": made["secret_access_key"]}
    return make


@pytest.fixture(scope="module")
def mine(deploy):
    return deploy(ECHO, "shared")


def test_tags_can_be_demanded_and_kept_from_being_changed(server, lam, key):
    """The usual tag-based rules: only functions of one's own team, and only tags that are allowed."""
    team = key(
        statement("Allow", "lambda:CreateFunction", "lambda:TagResource", StringEquals={"aws:RequestTag/team": "red"},
                  **{"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "stage"]}}),
        statement("Allow", "lambda:InvokeFunction", "lambda:Get*", "lambda:Delete*", StringEquals={"aws:ResourceTag/team": "red"}),
        statement("Allow", "iam:PassRole"))
    red = client(server, **team)
    make = dict(Runtime=PYTHON, Handler="app.handler", Role=f"arn:aws:iam::{ACCOUNT}:role/any", Code={"ZipFile": ECHO})
    assert refused(red.create_function, FunctionName="red", **make)[0] == 403, "without tags"
    assert refused(red.create_function, FunctionName="red", Tags={"team": "blue"}, **make)[0] == 403
    assert refused(red.create_function, FunctionName="red", Tags={"team": "red", "secret": "x"}, **make)[0] == 403
    red.create_function(FunctionName="red", Tags={"team": "red", "stage": "dev"}, **make)
    settled(red, "red")
    create(lam, "blue", ECHO, Tags={"team": "blue"})
    assert call(red, "red").status == 200
    assert refused(red.invoke, FunctionName="blue")[0] == 403
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:blue"
    assert refused(red.tag_resource, Resource=arn, Tags={"team": "blue"})[0] == 403
    red.delete_function(FunctionName="red")
    lam.delete_function(FunctionName="blue")


def test_a_function_is_bound_to_layers_subnets_and_event_sources(server, lam, key, mine):
    layer = lam.publish_layer_version(LayerName="approved", Content={"ZipFile": ECHO})["LayerVersionArn"]
    bad = lam.publish_layer_version(LayerName="other", Content={"ZipFile": ECHO})["LayerVersionArn"]
    only = client(server, **key(
        statement("Allow", "lambda:UpdateFunctionConfiguration", Null={"lambda:Layer": "false"},
                  **{"ForAllValues:StringLike": {"lambda:Layer": "arn:aws:lambda:*:*:layer:approved:*"}}),
        statement("Allow", "lambda:GetLayerVersion", "lambda:GetFunction*"),
        statement("Allow", "lambda:CreateEventSourceMapping", ArnLike={"lambda:FunctionArn": "arn:aws:lambda:*:*:function:shared"})))
    assert refused(only.update_function_configuration, FunctionName=mine, Timeout=5)[0] == 403, "no layer at all"
    assert refused(only.update_function_configuration, FunctionName=mine, Layers=[layer, bad])[0] == 403
    only.update_function_configuration(FunctionName=mine, Layers=[layer])
    settled(lam, mine)
    lam.update_function_configuration(FunctionName=mine, Layers=[])
    settled(lam, mine)
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    made = only.create_event_source_mapping(FunctionName=mine, EventSourceArn=queue, Enabled=False)
    assert refused(only.create_event_source_mapping, FunctionName="another", EventSourceArn=queue)[0] == 403
    lam.delete_event_source_mapping(UUID=made["UUID"])


def test_who_may_give_permissions_may_not_give_any(server, lam, key, mine):
    sns = client(server, **key(statement("Allow", "lambda:AddPermission", "lambda:RemovePermission", "lambda:GetPolicy",
                                         StringEqualsIfExists={"lambda:Principal": "sns.amazonaws.com"})))
    give = dict(FunctionName=mine, Action="lambda:InvokeFunction")
    sns.add_permission(StatementId="sns", Principal="sns.amazonaws.com", **give)
    assert refused(sns.add_permission, StatementId="all", Principal="*", **give)[0] == 403
    lam.add_permission(StatementId="them", Principal=OTHER, **give)
    assert refused(sns.remove_permission, FunctionName=mine, StatementId="them")[0] == 403
    sns.remove_permission(FunctionName=mine, StatementId="sns")
    lam.remove_permission(FunctionName=mine, StatementId="them")


def test_another_account_manages_a_function_as_far_as_it_was_let(server, lam, key, mine):
    arn, absent = (f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}" for name in (mine, "absent"))
    their = client(server, **key(account=OTHER))
    lam.tag_resource(Resource=arn, Tags={"team": "red"})
    for ask in (their.get_function, their.list_versions_by_function, their.publish_version, their.list_aliases, their.get_policy):
        status, error, text = refused(ask, FunctionName=arn)
        assert (status, error) == (403, "AccessDeniedException")
        assert text.replace(arn, absent) == refused(ask, FunctionName=absent)[2], "the same words whether it is there or not"
    for action in ("GetFunction", "UpdateFunctionCode", "PublishVersion", "CreateAlias", "UpdateFunctionConfiguration"):
        lam.add_permission(FunctionName=mine, StatementId=action, Action=f"lambda:{action}", Principal=OTHER)
    found = their.get_function(FunctionName=arn)
    assert found["Configuration"]["FunctionArn"] == arn and "Tags" not in found
    assert found["TagsError"]["ErrorCode"] == "AccessDeniedException"
    their.update_function_code(FunctionName=arn, ZipFile=python("def handler(event, context): return 'theirs'"))
    settled(lam, mine)
    assert call(lam, mine).value == "theirs"
    version = their.publish_version(FunctionName=arn)["Version"]
    made = their.create_alias(FunctionName=arn, Name="theirs", FunctionVersion=version)
    assert made["AliasArn"] == f"{arn}:theirs" and lam.get_alias(FunctionName=mine, Name="theirs")["FunctionVersion"] == version
    # Not every operation can be given away.
    assert refused(their.update_function_configuration, FunctionName=arn, Timeout=9)[0] == 403
    powerless = client(server, **key(statement("Allow", "s3:*"), account=OTHER))
    assert refused(powerless.get_function, FunctionName=arn)[2].endswith("no identity-based policy allows the lambda:GetFunction action")
    lam.delete_alias(FunctionName=mine, Name="theirs")


def test_a_caller_of_the_same_account_needs_the_functions_policy_alone(server, lam, key, mine):
    reader = client(server, **key(statement("Allow", "s3:*"), user="reader"))
    assert refused(reader.get_function_configuration, FunctionName=mine)[0] == 403
    lam.add_permission(FunctionName=mine, StatementId="reader", Action="lambda:GetFunctionConfiguration",
                       Principal=f"arn:aws:iam::{ACCOUNT}:user/reader")
    assert reader.get_function_configuration(FunctionName=mine)["FunctionName"] == mine
    deny = policy({"Sid": "no", "Effect": "Deny", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/reader"},
                   "Action": "lambda:GetFunctionConfiguration", "Resource": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{mine}"})
    lam.put_resource_policy(ResourceArn=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{mine}", Policy=json.dumps(deny))
    assert refused(reader.get_function_configuration, FunctionName=mine)[2].endswith("with an explicit deny in a resource-based policy")
    lam.delete_resource_policy(ResourceArn=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{mine}")


CALLER = with_boto3({"app.py": """
import boto3

def handler(event, context):
    try:
        return boto3.client("lambda").invoke(FunctionName=event["name"])["StatusCode"]
    except Exception as error:
        return str(error)
"""})


def test_rights_can_be_for_the_code_of_one_function_only(server, lam, mine):
    """`lambda:SourceFunctionArn`: two functions of one role, of which one may call."""
    iam = client(server, "iam")
    role = iam.create_role(RoleName="two-share", AssumeRolePolicyDocument=TRUST_LAMBDA)["Role"]["Arn"]
    iam.put_role_policy(RoleName="two-share", PolicyName="p", PolicyDocument=json.dumps(policy(
        statement("Allow", "lambda:InvokeFunction",
                  ArnEquals={"lambda:SourceFunctionArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:may-call"}))))
    for name in ("may-call", "may-not"):
        lam.create_function(FunctionName=name, Runtime=PYTHON, Handler="app.handler", Role=role, Code={"ZipFile": CALLER}, Timeout=30,
                            MemorySize=512)
        settled(lam, name)
    assert call(lam, "may-call", {"name": mine}).value == 200
    assert "AccessDenied" in call(lam, "may-not", {"name": mine}).value
    for name in ("may-call", "may-not"):
        lam.delete_function(FunctionName=name)
    iam.delete_role_policy(RoleName="two-share", PolicyName="p")
    iam.delete_role(RoleName="two-share")


def test_a_role_lets_go_of_sessions_that_began_before(server, lam, mine):
    """`aws:TokenIssueTime`: how the console revokes a role's active sessions."""
    iam, sts = client(server, "iam"), client(server, "sts")
    trust = policy({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="revoked", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="revoked", PolicyName="p", PolicyDocument=json.dumps(policy(statement("Allow", "lambda:*"))))

    def session():
        given = sts.assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
        return client(server, key=given["AccessKeyId"], secret=given["SecretAccessKey"], token=given["SessionToken"])
    old = session()
    assert call(old, mine).status == 200
    cut = time.time() + 0.5
    revoke = statement("Deny", "*", DateLessThan={"aws:TokenIssueTime": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(cut))
                                                  + f".{int(cut % 1 * 1000):03}Z"})
    iam.put_role_policy(RoleName="revoked", PolicyName="AWSRevokeOlderSessions", PolicyDocument=json.dumps(policy(revoke)))
    assert refused(old.invoke, FunctionName=mine)[2].endswith("with an explicit deny in an identity-based policy")
    while time.time() <= cut:
        time.sleep(0.05)
    assert call(session(), mine).status == 200
    for name in ("p", "AWSRevokeOlderSessions"):
        iam.delete_role_policy(RoleName="revoked", PolicyName=name)
    iam.delete_role(RoleName="revoked")


def test_plain_http_can_be_forbidden(server, key, mine):
    """What a proxy says of its client proves nothing: the server looks at its own connection."""
    made = key(statement("Allow", "lambda:*"), statement("Deny", "*", Bool={"aws:SecureTransport": "false"}))
    assert refused(client(server, **made).get_function, FunctionName=mine)[0] == 403
    answer = send(signed(server, path=f"/2015-03-31/functions/{mine}", headers={"x-forwarded-proto": "https"}, **made))
    assert answer.status_code == 403


def test_a_url_of_another_account_is_called_with_its_permission_and_ones_own(server, lam, deploy, key):
    name = deploy(ECHO)
    host = lam.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")["FunctionUrl"].split("/")[2]
    theirs, url_only = key(account=OTHER), key(statement("Allow", "lambda:InvokeFunctionUrl"), account=OTHER)
    denied = key(statement("Allow", "*"), statement("Deny", "lambda:InvokeFunction"), account=OTHER)

    def status(made):
        return send(signed(server, "GET", "/", headers={"host": host}, **made)).status_code
    assert status(theirs) == 403
    lam.add_permission(FunctionName=name, StatementId="u", Action="lambda:InvokeFunctionUrl", Principal=OTHER, FunctionUrlAuthType="AWS_IAM")
    assert (status(theirs), status(url_only), status(denied)) == (200, 200, 403)
    lam.add_permission(FunctionName=name, StatementId="i", Action="lambda:InvokeFunction", Principal=OTHER, InvokedViaFunctionUrl=True)
    assert (status(theirs), status(denied)) == (200, 403)
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
    assert refused(client(server, **theirs).invoke, FunctionName=arn)[0] == 403, "by the URL only"
