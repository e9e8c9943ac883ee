"""`lacewing deploy` of CloudFormation as other tools write it: the CDK's cloud assembly, a package of the Serverless Framework,
roles and policies; and what it refuses to begin. The tools themselves run in `ecosystem/test_stacks.py`."""
import base64
import hashlib
import json

import pytest

from harness.calls import call, client, refused
from harness.commands import lacewing
from harness.packages import PYTHON, python
from harness.server import ACCOUNT, REGION
from harness.stacks import changes, get

TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
BASIC = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]]}
APP = "import words\ndef handler(event, context): return {'words': words.SAID, 'version': context.function_version}\n"


def allow(action, resource):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


def asset(key):
    return {"S3Bucket": {"Fn::Sub": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"}, "S3Key": f"{key}.zip"}


def at(*names):
    return {"Fn::GetAtt": list(names)}


def assembly(memory=256, **more):
    """A stack as `cdk synth` writes it."""
    function = {"Handler": "app.handler", "Runtime": PYTHON, "Role": at("Role", "Arn"), "MemorySize": memory,
                "Code": asset("code"), "Layers": [{"Ref": "Words"}], "Tags": [{"Key": "team", "Value": "shop"}],
                "LoggingConfig": {"LogGroup": {"Ref": "Logs"}}}
    resources = {
        "Words": ("Lambda::LayerVersion", {"Content": asset("layer"), "CompatibleRuntimes": [PYTHON]}),
        "Role": ("IAM::Role", {"AssumeRolePolicyDocument": TRUST, "ManagedPolicyArns": [BASIC]}),
        "May": ("IAM::Policy", {"PolicyName": "May", "Roles": [{"Ref": "Role"}],
                                "PolicyDocument": allow("lambda:InvokeFunction", at("Back", "Arn"))}),
        "Logs": ("Logs::LogGroup", {"RetentionInDays": 7}),
        "Front": ("Lambda::Function", function),
        "Back": ("Lambda::Function", {"Handler": "index.handler", "Runtime": PYTHON, "Role": at("Role", "Arn"),
                                      "Code": {"ZipFile": "def handler(event, context): return 'back'\n"}}),
        "Version1": ("Lambda::Version", {"FunctionName": {"Ref": "Front"}}),
        "Live": ("Lambda::Alias", {"FunctionName": {"Ref": "Front"}, "FunctionVersion": at("Version1", "Version"), "Name": "live"}),
        "Retry": ("Lambda::EventInvokeConfig", {"FunctionName": {"Ref": "Front"}, "Qualifier": "live", "MaximumRetryAttempts": 1}),
        "Url": ("Lambda::Url", {"TargetFunctionArn": at("Front", "Arn"), "Qualifier": "live", "AuthType": "NONE"}),
        "Open": ("Lambda::Permission", {"FunctionName": {"Ref": "Live"}, "Action": "lambda:InvokeFunctionUrl", "Principal": "*",
                                        "FunctionUrlAuthType": "NONE"}),
        "Open2": ("Lambda::Permission", {"FunctionName": {"Ref": "Live"}, "Action": "lambda:InvokeFunction", "Principal": "*",
                                         "InvokedViaFunctionUrl": True}),
        "CDKMetadata": ("CDK::Metadata", {"Analytics": "v2:"}),
        **more,
    }
    template = {
        "Resources": {name: {"Type": f"AWS::{kind}", "Properties": about} for name, (kind, about) in resources.items()},
        "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/x/version"}},
        "Rules": {"Check": {"Assertions": [{"Assert": {"Fn::Contains": [["1"], {"Ref": "BootstrapVersion"}]}}]}},
        "Outputs": {"Url": {"Value": at("Url", "FunctionUrl")}}}
    for name in ("Url", "Retry"):
        template["Resources"][name]["DependsOn"] = ["Live"]
    return template


@pytest.fixture
def cdk(server, tmp_path):
    """Deploys a template out of a `cdk.out` of its own."""
    folder = tmp_path / "cdk.out"
    for name, file, text in (("code", "app.py", APP), ("layer", "python/words.py", "SAID = 'hello'\n")):
        path = folder / f"asset.{name}" / file
        path.parent.mkdir(parents=True)
        path.write_text(text)
    files = {name: {"source": {"path": f"asset.{name}", "packaging": "zip"},
                    "destinations": {"d": {"bucketName": "b", "objectKey": f"{name}.zip"}}} for name in ("code", "layer")}
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Shop.template.json"}}
    for file, content in (("cdk.out", {}), ("manifest.json", {"artifacts": {"Shop": stack}}), ("Shop.assets.json", {"files": files})):
        (folder / file).write_text(json.dumps(content))

    def deploy(template, expect=0, path=folder):
        (folder / "Shop.template.json").write_text(json.dumps(template))
        done = lacewing(server, "deploy", str(path), "--json", expect=expect)
        return json.loads(done.stdout) if expect == 0 else json.loads(done.stderr)
    deploy.folder = folder
    return deploy


@pytest.fixture
def iam(server):
    return client(server, "iam")


def test_a_stack_of_the_cdk_is_deployed_and_again(server, lam, iam, cdk):
    told = cdk(assembly())
    assert told["stack"] == "Shop" and "CDKMetadata" not in changes(told) and told["notes"]
    made = lam.get_function(FunctionName="Shop-Front")
    assert (made["Configuration"]["MemorySize"], made["Tags"]) == (256, {"team": "shop"})
    assert made["Configuration"]["Role"] == f"arn:aws:iam::{ACCOUNT}:role/Shop-Role"
    assert made["Configuration"]["LoggingConfig"]["LogGroup"] == "Shop-Logs"
    assert call(lam, "Shop-Front", Qualifier="live").value == {"words": "hello", "version": "1"}
    assert json.loads(get(server, told["outputs"]["Url"])) == {"words": "hello", "version": "1"}
    assert lam.get_function_event_invoke_config(FunctionName="Shop-Front", Qualifier="live")["MaximumRetryAttempts"] == 1
    may = iam.get_role_policy(RoleName="Shop-Role", PolicyName="May")["PolicyDocument"]["Statement"][0]
    assert may["Resource"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:Shop-Back"

    again = changes(cdk(assembly(), path=cdk.folder / "Shop.template.json"))
    assert {again[name] for name in ("Words", "Role", "May", "Front", "Back", "Live")} == {"unchanged"}
    assert len(lam.list_versions_by_function(FunctionName="Shop-Front")["Versions"]) == 2

    # Another setting makes another version, and the alias goes on to it.
    told = changes(cdk(assembly(memory=512)))
    assert (told["Front"], told["Live"], told["Back"]) == ("updated", "updated", "unchanged")
    assert lam.get_alias(FunctionName="Shop-Front", Name="live")["FunctionVersion"] == "2"


def test_what_a_role_no_longer_says_is_taken_from_it(iam, cdk):
    extra = {"Own": ("IAM::ManagedPolicy", {"PolicyDocument": allow("s3:GetObject", "*"), "Roles": [{"Ref": "Role"}]})}
    role = {"AssumeRolePolicyDocument": TRUST, "ManagedPolicyArns": [BASIC, "arn:aws:iam::aws:policy/AdministratorAccess"],
            "Policies": [{"PolicyName": "all", "PolicyDocument": allow("*", "*")}], "Tags": [{"Key": "a", "Value": "b"}]}
    cdk(assembly(Role=("IAM::Role", role), **extra))
    own = f"arn:aws:iam::{ACCOUNT}:policy/Shop-Own"

    def has():
        attached = {one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName="Shop-Role")["AttachedPolicies"]}
        return attached, set(iam.list_role_policies(RoleName="Shop-Role")["PolicyNames"])
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    assert has() == ({basic, own, "arn:aws:iam::aws:policy/AdministratorAccess"}, {"May", "all"})
    less = {"AssumeRolePolicyDocument": TRUST, "ManagedPolicyArns": [BASIC], "Description": "less"}
    extra["Own"][1]["PolicyDocument"] = allow("s3:PutObject", "*")
    told = changes(cdk(assembly(Role=("IAM::Role", less), **extra)))
    assert (told["Role"], told["Own"], told["May"]) == ("updated", "updated", "unchanged")
    assert has() == ({basic, own}, {"May"})
    assert iam.get_role(RoleName="Shop-Role")["Role"]["Description"] == "less"
    version = iam.get_policy(PolicyArn=own)["Policy"]["DefaultVersionId"]
    assert "PutObject" in json.dumps(iam.get_policy_version(PolicyArn=own, VersionId=version)["PolicyVersion"]["Document"])


def test_what_cannot_be_had_is_named_before_anything_is_made(lam, iam, cdk):
    def named(parts, **more):
        said = json.dumps(cdk({**assembly(**more)}, expect=2))
        assert all(part in said for part in parts), said
    fresh = {"Fresh": ("IAM::Role", {"RoleName": "fresh", "AssumeRolePolicyDocument": TRUST,
                                     "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonNothingAtAll"]})}
    named(["Fresh: the policy", "AmazonNothingAtAll"], **fresh)
    layer = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:nobodys:1"
    named(["Later: the layer", "nobodys"], Later=("Lambda::Function", {
        "Handler": "index.handler", "Runtime": PYTHON, "Role": at("Role", "Arn"), "Layers": [layer], "Code": {"ZipFile": "x"}}))
    named(["Api: AWS::ApiGateway::RestApi", "Source: AWS::Lambda::EventSourceMapping", "Bucket: AWS::S3::Bucket"],
          Api=("ApiGateway::RestApi", {}), Source=("Lambda::EventSourceMapping", {}), Bucket=("S3::Bucket", {}))
    assert refused(iam.get_role, RoleName="fresh")[1] == "NoSuchEntity"
    assert refused(lam.get_function, FunctionName="Shop-Later")[1] == "ResourceNotFoundException"


def test_a_package_of_the_serverless_framework(server, lam, tmp_path):
    folder = tmp_path / ".serverless"
    folder.mkdir()
    zipped = python("def handler(event, context): return {'statusCode': 200, 'body': 'hello'}\n")
    (folder / "shop.zip").write_bytes(zipped)
    prefix = "serverless/shop/dev/1795716380007-2026-11-26T18:06:20.007Z"
    state = {"service": {"service": "shop", "provider": {"stage": "dev"}}, "package": {"artifactDirectoryName": prefix}}
    (folder / "serverless-state.json").write_text(json.dumps(state))
    sha256 = base64.b64encode(hashlib.sha256(zipped).digest()).decode()
    bucket = {"Ref": "ServerlessDeploymentBucket"}
    resources = {
        "ServerlessDeploymentBucket": ("S3::Bucket", {"BucketEncryption": {}}),
        "ServerlessDeploymentBucketPolicy": ("S3::BucketPolicy", {"Bucket": bucket}),
        "HelloLogGroup": ("Logs::LogGroup", {"LogGroupName": "/aws/lambda/shop-dev-hello"}),
        "IamRoleLambdaExecution": ("IAM::Role", {
            "RoleName": {"Fn::Join": ["-", ["shop", "dev", {"Ref": "AWS::Region"}, "lambdaRole"]]}, "Path": "/",
            "AssumeRolePolicyDocument": TRUST, "Policies": [{"PolicyName": "p", "PolicyDocument": allow("logs:*", "*")}]}),
        "HelloLambdaFunction": ("Lambda::Function", {
            "FunctionName": "shop-dev-hello", "Handler": "app.handler", "Runtime": PYTHON, "MemorySize": 1024, "Timeout": 6,
            "Role": at("IamRoleLambdaExecution", "Arn"), "Code": {"S3Bucket": bucket, "S3Key": f"{prefix}/shop.zip"}}),
        "HelloLambdaVersion1": ("Lambda::Version", {"FunctionName": {"Ref": "HelloLambdaFunction"}, "CodeSha256": sha256}),
    }
    template = {"Resources": {name: {"Type": f"AWS::{kind}", "Properties": about} for name, (kind, about) in resources.items()},
                "Outputs": {"Qualified": {"Value": {"Ref": "HelloLambdaVersion1"}, "Export": {"Name": "x"}}}}
    (folder / "cloudformation-template-update-stack.json").write_text(json.dumps(template))
    told = json.loads(lacewing(server, "deploy", str(folder), "--json").stdout)
    assert told["stack"] == "shop-dev"
    assert told["outputs"]["Qualified"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:shop-dev-hello:1"
    assert call(lam, "shop-dev-hello", Qualifier="1").value["body"] == "hello"
    assert lam.get_function(FunctionName="shop-dev-hello")["Configuration"]["CodeSha256"] == sha256


def test_policies_of_a_sam_function_are_what_it_may_do(server, lam, iam, tmp_path):
    source = "import boto3\ndef handler(event, context):\n    return boto3.client('lambda').invoke(FunctionName=event['name'])['Payload'].read().decode()\n"
    (tmp_path / "template.yaml").write_text(f"""
Transform: AWS::Serverless-2016-10-31
Globals: {{Function: {{Runtime: {PYTHON}, Handler: index.handler, Timeout: 20}}}}
Resources:
  Front:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
{"".join("        " + line + chr(10) for line in source.splitlines())}
      Policies: [AWSXRayDaemonWriteAccess, LambdaInvokePolicy: {{FunctionName: !Ref Back}}]
  Back: {{Type: AWS::Serverless::Function, Properties: {{InlineCode: "def handler(e, c): return 'back'"}}}}
  Other: {{Type: AWS::Serverless::Function, Properties: {{InlineCode: "def handler(e, c): return 'other'"}}}}
""")
    lacewing(server, "deploy", str(tmp_path / "template.yaml"), "--name", "may")
    attached = iam.list_attached_role_policies(RoleName="may-FrontRole")["AttachedPolicies"]
    assert {one["PolicyName"] for one in attached} == {"AWSLambdaBasicExecutionRole", "AWSXRayDaemonWriteAccess"}
    assert call(lam, "may-Front", {"name": "may-Back"}).value == '"back"'
    answer = call(lam, "may-Front", {"name": "may-Other"})
    assert answer.error == "Unhandled" and "not authorized" in answer.value["errorMessage"]


def test_tools_that_ask_for_a_stack_are_told_that_there_is_none(server):
    cloudformation = client(server, "cloudformation")
    for ask in (cloudformation.describe_stacks, cloudformation.list_stack_resources, cloudformation.get_template):
        assert refused(ask, StackName="shop") == (400, "ValidationError", "Stack with id shop does not exist")
    assert cloudformation.describe_stacks()["Stacks"] == [] == cloudformation.list_stacks()["StackSummaries"]
    status, code, message = refused(cloudformation.create_stack, StackName="shop", TemplateBody="{}")
    assert (status, code) == (400, "InvalidAction") and "lacewing deploy" in message
