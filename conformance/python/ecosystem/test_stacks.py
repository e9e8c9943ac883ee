"""Functions described with the CDK, the Serverless Framework and SAM, deployed by `lacewing deploy` from what these tools write;
and those of their own commands that need the Lambda API alone."""
import json
import os
import re

import pytest

from harness.calls import call
from harness.commands import lacewing
from harness.ecosystem import NODE_MODULES, by_sdk_2, node_tool, python_tool, run
from harness.packages import NODE, PYTHON
from harness.server import ACCOUNT, REGION
from harness.stacks import get
from harness.wait import until

CDK = """
const cdk = require("aws-cdk-lib"), iam = require("aws-cdk-lib/aws-iam"), lambda = require("aws-cdk-lib/aws-lambda");
const logs = require("aws-cdk-lib/aws-logs"), node = require("aws-cdk-lib/aws-lambda-nodejs");
const python = new lambda.Runtime(process.env.PYTHON_RUNTIME, lambda.RuntimeFamily.PYTHON, { supportsInlineCode: true });
const app = new cdk.App();
const stack = new cdk.Stack(app, "Shop", { tags: { team: "shop" } });
const words = new lambda.LayerVersion(stack, "Words", { code: lambda.Code.fromAsset("layer"), compatibleRuntimes: [python] });
const back = new lambda.Function(stack, "Back", { runtime: python, handler: "index.handler",
  code: lambda.Code.fromInline("def handler(event, context):\\n    return 'back of ' + event['asks']\\n") });
const front = new lambda.Function(stack, "Front", { runtime: python, handler: "app.handler", code: lambda.Code.fromAsset("code"),
  layers: [words], memorySize: 256, timeout: cdk.Duration.seconds(20), environment: { BACK: back.functionName }, retryAttempts: 1,
  logGroup: new logs.LogGroup(stack, "FrontLogs", { retention: logs.RetentionDays.ONE_WEEK }) });
back.grantInvoke(front);
const live = new lambda.Alias(stack, "Live", { aliasName: "live", version: front.currentVersion });
const url = live.addFunctionUrl({ authType: lambda.FunctionUrlAuthType.NONE });
const bundled = new node.NodejsFunction(stack, "Bundled", { entry: "bundled.ts", depsLockFilePath: "package-lock.json",
  runtime: new lambda.Runtime(process.env.NODE_RUNTIME, lambda.RuntimeFamily.NODEJS) });
new cdk.CfnOutput(stack, "Url", { value: url.url });
new cdk.CfnOutput(stack, "FrontName", { value: front.functionName, exportName: "front" });
new cdk.CfnOutput(stack, "BundledName", { value: bundled.functionName });
"""
FRONT = """
import boto3, json, os, words
def handler(event, context):
    reply = boto3.client("lambda").invoke(FunctionName=os.environ["BACK"], Payload=json.dumps({"asks": words.SAID}))
    return {"back": json.load(reply["Payload"]), "version": context.function_version}
"""


def files(folder, **texts):
    for path, text in texts.items():
        path = folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_stack_of_the_cdk(server, lam, tmp_path):
    cdk = node_tool("cdk")
    files(tmp_path, **{"app.js": CDK, "code/app.py": FRONT, "layer/python/words.py": "SAID = 'words'\n", "package-lock.json": "{}",
                       "bundled.ts": "export const handler = async (event: { n: number }) => ({ twice: 2 * event.n });\n"})
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    path = f"{NODE_MODULES / '.bin'}:{os.environ['PATH']}"
    synth = dict(cwd=tmp_path, home=tmp_path, env={"PYTHON_RUNTIME": PYTHON, "NODE_RUNTIME": NODE, "PATH": path})
    run(server, cdk, "synth", "--quiet", "--app", "node app.js", **synth)
    told = json.loads(lacewing(server, "deploy", str(tmp_path / "cdk.out"), "--json").stdout)
    assert told["stack"] == "Shop"
    front = told["outputs"]["FrontName"]
    assert call(lam, front, Qualifier="live").value == {"back": "back of words", "version": "1"}
    assert json.loads(get(server, told["outputs"]["Url"]))["back"] == "back of words"
    assert call(lam, told["outputs"]["BundledName"], {"n": 21}).value == {"twice": 42}
    assert lam.get_function(FunctionName=front)["Tags"] == {"team": "shop"}

    files(tmp_path, **{"layer/python/words.py": "SAID = 'other words'\n"})
    run(server, cdk, "synth", "--quiet", "--app", "node app.js", **synth)
    again = json.loads(lacewing(server, "deploy", str(tmp_path / "cdk.out"), "--json").stdout)
    changes = {re.sub("[0-9A-F]{8}$", "", row["resource"]): row["change"] for row in again["resources"]}
    assert {name: changes[name] for name in ("Words", "Front", "Back", "Bundled", "Live")} == {
        "Words": "updated", "Front": "updated", "Back": "unchanged", "Bundled": "unchanged", "Live": "updated"}
    assert call(lam, front, Qualifier="live").value == {"back": "back of other words", "version": "2"}


SERVERLESS = f"""
service: till
frameworkVersion: '3'
provider:
  name: aws
  runtime: {NODE}
  region: {REGION}
  environment: {{STAGE: '${{sls:stage}}'}}
  iam: {{role: {{statements: [{{Effect: Allow, Action: 'lambda:InvokeFunction', Resource: '*'}}]}}}}
functions:
  hello: {{handler: handler.hello, layers: [{{Ref: WordsLambdaLayer}}]}}
  web: {{handler: handler.web, url: true, reservedConcurrency: 3}}
layers:
  words: {{path: layer}}
"""
HANDLER = """
exports.hello = async (event) => { console.log("asked by", event.name); return { hello: event.name, stage: process.env.STAGE, ...require("/opt/nodejs/words.js") }; };
exports.web = async () => ({ statusCode: 200, body: "web" });
"""


def test_the_serverless_framework(server, lam, tmp_path):
    serverless = node_tool("serverless")
    files(tmp_path, **{"serverless.yml": SERVERLESS, "handler.js": HANDLER, "layer/nodejs/words.js": "exports.said = 1;\n"})
    how = dict(cwd=tmp_path, home=tmp_path, env=by_sdk_2())
    run(server, serverless, "package", **how)
    told = json.loads(lacewing(server, "deploy", str(tmp_path / ".serverless"), "--json").stdout)
    assert told["stack"] == "till-dev"
    assert get(server, told["outputs"]["WebLambdaFunctionUrl"]) == b"web"
    said = run(server, serverless, "invoke", "-f", "hello", "-d", '{"name": "you"}', **how)
    assert json.loads(said) == {"hello": "you", "stage": "dev", "said": 1}
    until(lambda: "asked by you" in run(server, serverless, "logs", "-f", "hello", **how), 20, "the line never came")
    # One function again, by the tool itself.
    files(tmp_path, **{"handler.js": HANDLER.replace("hello: event.name", "hi: event.name")})
    run(server, serverless, "deploy", "function", "-f", "hello", **how)
    until(lambda: call(lam, "till-dev-hello", {"name": "you"}).value == {"hi": "you", "stage": "dev", "said": 1}, 20, "still the old code")


SAM = f"""
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Globals: {{Function: {{Timeout: 20, Runtime: {PYTHON}}}}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: hello/, Handler: app.handler, Layers: [!Ref Words], Policies: [AWSLambdaRole]}}
  Words:
    Type: AWS::Serverless::LayerVersion
    Metadata: {{BuildMethod: {PYTHON}}}
    Properties: {{LayerName: sam-words, ContentUri: words/}}
Outputs:
  Arn: {{Value: !GetAtt Hello.Arn}}
"""


@pytest.fixture
def built(server, tmp_path):
    """A project that `sam build` has built."""
    sam = python_tool("sam")
    files(tmp_path, **{"template.yaml": SAM, "hello/app.py": "import words\ndef handler(event, context):\n    print('asked', event)\n"
                       "    return words.SAID + event['name']\n", "hello/requirements.txt": "\n",
                       "words/words.py": "SAID = 'hello '\n", "words/requirements.txt": "\n"})
    how = dict(cwd=tmp_path, home=tmp_path)
    run(server, sam, "validate", "--lint", **how)
    run(server, sam, "build", **how)
    return sam, how, tmp_path


def test_sam_build_remote_invoke_and_logs(server, built):
    sam, how, folder = built
    told = json.loads(lacewing(server, "deploy", str(folder / ".aws-sam" / "build"), "--name", "greet", "--json").stdout)
    arn = told["outputs"]["Arn"]
    assert arn == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:greet-Hello"
    assert json.loads(run(server, sam, "remote", "invoke", arn, "--event", '{"name": "you"}', **how)) == "hello you"
    whole = json.loads(run(server, sam, "remote", "invoke", arn, "--event", '{"name": "me"}', "--output", "json", **how))
    assert (whole["StatusCode"], json.loads(whole["Payload"])) == (200, "hello me")
    group = ("--cw-log-group", "/aws/lambda/greet-Hello")
    until(lambda: "asked {'name': 'me'}" in run(server, sam, "logs", *group, **how), 20, "the line never came")
    assert "asked" not in run(server, sam, "logs", *group, "--filter", "nothing-like-it", **how)
