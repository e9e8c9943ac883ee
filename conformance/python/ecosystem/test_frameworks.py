"""Frameworks that deploy through the Lambda API themselves: Chalice, claudia.js, node-lambda; and the SDK that the last two
are built on."""
import json
import re

from harness.calls import call, refused
from harness.commands import AWS_2, environment
from harness.ecosystem import NODE_MODULES, by_sdk_2, node_tool, python_tool, run, tool
from harness.packages import NODE, PYTHON, ROLE, python
from harness.server import REGION
from harness.wait import until


def test_chalice(server, lam, tmp_path):
    chalice = python_tool("chalice")
    config = {"version": "2.0", "app_name": "store", "stages": {"dev": {"lambda_memory_size": 256,
              "environment_variables": {"MODE": "test"}}}}
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(config))
    (tmp_path / "requirements.txt").write_text("")
    app = ("import os\nfrom chalice import Chalice\napp = Chalice(app_name='store')\n@app.lambda_function()\n"
           "def hello(event, context):\n    print('asked by', event['name'])\n    return [os.environ['MODE'], event['name']]\n")
    (tmp_path / "app.py").write_text(app)
    how = dict(cwd=tmp_path, home=tmp_path)
    run(server, chalice, "deploy", **how)
    assert json.loads(run(server, chalice, "invoke", "-n", "hello", text='{"name": "you"}', **how)) == ["test", "you"]
    until(lambda: "asked by you" in run(server, chalice, "logs", "-n", "hello", **how), 20, "the line never came")
    (tmp_path / "app.py").write_text(app.replace("return [", "return ['again', "))
    run(server, chalice, "deploy", **how)
    assert call(lam, "store-dev-hello", {"name": "me"}).value == ["again", "test", "me"]
    assert lam.get_function_configuration(FunctionName="store-dev-hello")["MemorySize"] == 256
    run(server, chalice, "delete", **how)
    assert refused(lam.get_function, FunctionName="store-dev-hello")[1] == "ResourceNotFoundException"


def test_claudia(server, lam, tmp_path):
    claudia = node_tool("claudia")
    about = {"name": "from-claudia", "version": "1.0.0", "private": True, "license": "MIT", "files": ["index.js"]}
    (tmp_path / "package.json").write_text(json.dumps(about))
    (tmp_path / "index.js").write_text("exports.handler = async (event) => ({ hello: event.name });\n")
    (tmp_path / "event.json").write_text('{"name": "you"}')
    how = dict(cwd=tmp_path, home=tmp_path, env=by_sdk_2())
    run(server, claudia, "create", "--region", REGION, "--handler", "index.handler", "--runtime", NODE, **how)
    said = json.loads(run(server, claudia, "test-lambda", "--event", "event.json", **how))
    assert json.loads(said["Payload"]) == {"hello": "you"}
    (tmp_path / "index.js").write_text("exports.handler = async (event) => ({ hi: event.name });\n")
    run(server, claudia, "update", "--version", "live", **how)
    assert call(lam, "from-claudia", {"name": "you"}, Qualifier="live").value == {"hi": "you"}
    run(server, claudia, "destroy", **how)
    assert refused(lam.get_function, FunctionName="from-claudia")[1] == "ResourceNotFoundException"


def test_node_lambda(server, lam, tmp_path):
    node_lambda = node_tool("node-lambda")
    (tmp_path / "package.json").write_text('{"name": "from-node-lambda", "version": "1.0.0", "private": true}')
    environment_of = environment(server)
    words = ["deploy", "--endpoint", server.url, "--accessKey", environment_of["AWS_ACCESS_KEY_ID"], "--secretKey",
             environment_of["AWS_SECRET_ACCESS_KEY"], "--region", REGION, "--role", ROLE, "--functionName", "from-node-lambda",
             "--environment", "dev", "--runtime", NODE, "--handler", "index.handler", "--timeout", "9"]
    for answer in ("first", "second"):  # made, then updated
        (tmp_path / "index.js").write_text(f"exports.handler = async () => '{answer}';\n")
        run(server, node_lambda, *words, cwd=tmp_path, home=tmp_path)
        until(lambda: call(lam, "from-node-lambda-dev").value == answer, 20, f"{answer} never came")
    assert lam.get_function_configuration(FunctionName="from-node-lambda-dev")["Timeout"] == 9


SDK_2 = """
const AWS = require("aws-sdk"), fs = require("fs");
AWS.config.update({ endpoint: process.env.AWS_ENDPOINT_URL, region: process.env.AWS_REGION });
const lambda = new AWS.Lambda({ maxRetries: 0 }), FunctionName = "from-sdk-2";
(async () => {
  const [zip, Runtime, Role] = process.argv.slice(2);
  await lambda.createFunction({ FunctionName, Runtime, Role, Handler: "app.handler", Code: { ZipFile: fs.readFileSync(zip) } }).promise();
  await lambda.waitFor("functionActiveV2", { FunctionName }).promise();
  const invoked = await lambda.invoke({ FunctionName, Payload: '{"n": 1}', LogType: "Tail" }).promise();
  const published = await lambda.publishVersion({ FunctionName }).promise();
  const streamed = await new Promise((done, failed) => lambda.invokeWithResponseStream({ FunctionName, Payload: '{"n": 2}' }, (error, data) => {
    if (error) return failed(error);
    let all = "";
    data.EventStream.on("data", (event) => { if (event.PayloadChunk) all += event.PayloadChunk.Payload; });
    data.EventStream.on("error", failed).on("end", () => done(all));
  }));
  const error = await lambda.getFunction({ FunctionName: "nobody" }).promise().catch((error) => `${error.code} ${error.statusCode}`);
  const groups = await new AWS.CloudWatchLogs().describeLogGroups({ logGroupNamePrefix: "/aws/lambda/from-sdk-2" }).promise();
  await lambda.deleteFunction({ FunctionName }).promise();
  console.log(JSON.stringify([invoked.Payload, !!invoked.LogResult, published.Version, streamed, error, groups.logGroups.length]));
})().catch((error) => { console.error(error); process.exit(1); });
"""


def test_the_second_version_of_the_sdk_for_javascript(server, tmp_path):
    tool("node/node_modules/aws-sdk")
    (tmp_path / "app.zip").write_bytes(python("def handler(event, context): return event"))
    (tmp_path / "main.js").write_text(SDK_2)
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    said = json.loads(run(server, "node", "--no-deprecation", "main.js", "app.zip", PYTHON, ROLE, cwd=tmp_path, home=tmp_path))
    assert said == ['{"n": 1}', True, "1", '{"n": 2}', "ResourceNotFoundException 404", 1]


def test_the_aws_command_waits_and_tails(server, lam, deploy, tmp_path):
    name = deploy(python("def handler(event, context): print('line', event['n'])"))

    def aws(*words):
        return run(server, AWS_2, "--endpoint-url", server.url, *words, home=tmp_path)
    for waiter in ("function-exists", "function-active-v2", "function-updated-v2"):
        aws("lambda", "wait", waiter, "--function-name", name)
    version = lam.publish_version(FunctionName=name)["Version"]
    aws("lambda", "wait", "published-version-active", "--function-name", name, "--qualifier", version)
    out = tmp_path / "out"
    aws("lambda", "invoke", "--function-name", name, "--cli-binary-format", "raw-in-base64-out", "--payload", '{"n": 7}', str(out))
    assert out.read_text() == "null"
    tail = ("logs", "tail", f"/aws/lambda/{name}", "--since", "10m")
    until(lambda: "line 7" in aws(*tail), 20, "the line never came")
    assert re.fullmatch(r"\S+ line 7\n+", aws(*tail, "--format", "short", "--filter-pattern", "line"))
