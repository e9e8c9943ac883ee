"""`lacewing deploy template.yaml`: a SAM template, from globals to outputs; and what it refuses to begin."""
import json

import pytest

from harness.calls import call
from harness.commands import lacewing
from harness.server import ACCOUNT, REGION
from harness.stacks import changes, get

TEMPLATE = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}
Mappings:
  Sizes:
    dev: {Memory: 192}
    prod: {Memory: 256}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
Globals:
  Function:
    Runtime: python3.13
    Timeout: 20
    Environment: {Variables: {STAGE: !Ref Stage, FROM: globals}}
Resources:
  Front:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: front/
      Handler: app.handler
      MemorySize: !FindInMap [Sizes, !Ref Stage, Memory]
      Layers: [!Ref Words]
      Tags: {team: shop}
      Environment:
        Variables:
          FROM: front
          BACK_NAME: !Ref Back
          BACK_ARN: !GetAtt Back.Arn
          BACK_URL: !GetAtt BackUrl.FunctionUrl
          WHERE: !Sub '${AWS::Region}/${AWS::AccountId}/${AWS::StackName}/${Stage}'
          ONLY_PROD: !If [IsProd, 'yes', !Ref 'AWS::NoValue']
      AutoPublishAlias: live
      FunctionUrlConfig: {AuthType: NONE}
  Back:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
        def handler(event, context):
            return {"statusCode": 200, "body": "back"}
      Handler: index.handler
      ReservedConcurrentExecutions: 5
      FunctionUrlConfig: {AuthType: NONE}
  Words:
    Type: AWS::Serverless::LayerVersion
    Properties: {LayerName: words, ContentUri: words/, CompatibleRuntimes: [python3.13]}
  Never:
    Type: AWS::Serverless::Function
    Condition: IsProd
    Properties: {CodeUri: front/, Handler: app.handler}
  Let:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: !Ref Back, Action: lambda:InvokeFunction, Principal: events.amazonaws.com}
Outputs:
  Url: {Value: !GetAtt FrontUrl.FunctionUrl}
  Both: {Value: !Join ['+', [!Ref Front, !Ref Back]]}
"""
APP = "import os, words\ndef handler(event, context):\n    return {'words': words.SAID, 'env': dict(os.environ), 'version': context.function_version}\n"


@pytest.fixture
def stack(server, tmp_path):
    (tmp_path / "front").mkdir()
    (tmp_path / "words" / "python").mkdir(parents=True)
    (tmp_path / "front" / "app.py").write_text(APP)
    (tmp_path / "words" / "python" / "words.py").write_text("SAID = 'hello'\n")
    (tmp_path / "template.yaml").write_text(TEMPLATE)

    def deploy(*more, expect=0):
        done = lacewing(server, "deploy", str(tmp_path / "template.yaml"), "--name", "shop", "--json", *more, expect=expect)
        return json.loads(done.stdout) if expect == 0 else json.loads(done.stderr)
    deploy.folder = tmp_path
    return deploy


def test_a_template_is_deployed_as_a_whole_and_again(server, lam, stack):
    told = stack()
    assert changes(told) == {"Back": "created", "Words": "created", "Front": "created", "Let": "made"}
    assert told["outputs"]["Both"] == "shop-Front+shop-Back"
    front = lam.get_function(FunctionName="shop-Front")
    assert (front["Configuration"]["MemorySize"], front["Configuration"]["Timeout"]) == (192, 20)
    assert front["Tags"] == {"team": "shop"}
    answer = call(lam, "shop-Front", Qualifier="live").value
    assert (answer["words"], answer["version"]) == ("hello", "1")
    env = answer["env"]
    assert (env["FROM"], env["STAGE"], env["BACK_NAME"]) == ("front", "dev", "shop-Back")
    assert env["BACK_ARN"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:shop-Back"
    assert env["WHERE"] == f"{REGION}/{ACCOUNT}/shop/dev" and "ONLY_PROD" not in env
    assert get(server, env["BACK_URL"]) == b"back"
    assert json.loads(get(server, told["outputs"]["Url"]))["words"] == "hello"
    assert lam.get_function_concurrency(FunctionName="shop-Back")["ReservedConcurrentExecutions"] == 5
    sids = {s["Sid"] for s in json.loads(lam.get_policy(FunctionName="shop-Back")["Policy"])["Statement"]}
    assert "shop-Let" in sids and "FunctionURLAllowPublicAccess" in sids

    again = stack()
    assert changes(again) == {"Back": "unchanged", "Words": "unchanged", "Front": "unchanged", "Let": "made"}
    assert again["outputs"] == told["outputs"]

    (stack.folder / "front" / "app.py").write_text(APP.replace("words.SAID", "words.SAID + '!'"))
    text = TEMPLATE.replace("      ReservedConcurrentExecutions: 5\n", "").replace("Tags: {team: shop}", "Description: new")
    (stack.folder / "template.yaml").write_text(text)
    told = stack("--parameter", "Stage=prod")
    assert changes(told)["Front"] == "updated" and changes(told)["Never"] == "created"
    answer = call(lam, "shop-Front", Qualifier="live").value
    assert (answer["words"], answer["version"], answer["env"]["ONLY_PROD"]) == ("hello!", "2", "yes")
    assert lam.get_function_configuration(FunctionName="shop-Front")["MemorySize"] == 256
    assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName="shop-Back")


def test_what_cannot_be_done_is_named_and_nothing_is_deployed(lam, stack):
    before = {f["FunctionName"] for f in lam.list_functions()["Functions"]}
    events = "Policies: [DynamoDBReadPolicy: {TableName: t}]\n      Events:\n        Tick: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}"
    text = TEMPLATE.replace("ReservedConcurrentExecutions: 5", events)
    text = text.replace("Outputs:", "  Table: {Type: AWS::DynamoDB::Table}\nOutputs:")
    (stack.folder / "template.yaml").write_text(text)
    said = json.dumps(stack(expect=2))
    for part in ("Back: the policy template DynamoDBReadPolicy", "Back: the event Tick of type Schedule", "Table: AWS::DynamoDB::Table"):
        assert part in said
    # What only resolving and packing can tell.
    text = TEMPLATE.replace("CodeUri: front/\n      Handler: app.handler\n      MemorySize",
                            "CodeUri: nowhere/\n      Handler: app.handler\n      MemorySize")
    (stack.folder / "template.yaml").write_text(text.replace("!Ref Words", "!ImportValue words"))
    assert "Fn::ImportValue" in json.dumps(stack(expect=2))
    (stack.folder / "template.yaml").write_text(text)
    assert "nowhere" in json.dumps(stack(expect=2))
    assert {f["FunctionName"] for f in lam.list_functions()["Functions"]} == before


def test_a_parameter_without_a_value_is_asked_for(server, stack):
    (stack.folder / "template.yaml").write_text("Parameters:\n  P: {Type: String}\nResources:\n  F: {Type: AWS::Serverless::Function}\n")
    assert "--parameter P=VALUE" in json.dumps(stack(expect=2))
