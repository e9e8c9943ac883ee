"""The Node runtime: module kinds, handler kinds, context, environment, logging, errors."""
import json
import re

import pytest

from harness.calls import call
from harness.packages import NODE, package
from harness.server import ACCOUNT, REGION

pytestmark = pytest.mark.skipif(not NODE, reason="no node on this machine")


def node(files, **more):
    files = {"index.js": files} if isinstance(files, str) else files
    return package(files)


FORMS = [
    ("CommonJS, async", {"index.js": "exports.handler = async (e) => ({got: e})"}, "index.handler", {"got": {"n": 1}}),
    ("CommonJS, callback", {"index.js": "exports.handler = (e, c, done) => done(null, e.n + 1)"}, "index.handler", 2),
    ("a promise from a plain function", {"index.js": "exports.handler = (e) => Promise.resolve('p')"}, "index.handler", "p"),
    ("an ES module by its ending", {"index.mjs": "export const handler = async () => 'mjs'"}, "index.handler", "mjs"),
    ("an ES module by package.json",
     {"index.js": "import fs from 'node:fs'; export const handler = async () => typeof fs.readFileSync",
      "package.json": '{"type": "module"}'}, "index.handler", "function"),
    ("top-level await", {"index.mjs": "const v = await Promise.resolve(5); export const handler = async () => v"},
     "index.handler", 5),
    ("CommonJS by its ending", {"index.cjs": "exports.handler = async () => 'cjs'"}, "index.handler", "cjs"),
    ("a file in a folder", {"src/deep/mod.js": "exports.run = async () => 'deep'"}, "src/deep/mod.run", "deep"),
    ("a nested export", {"index.js": "exports.a = {b: {handler: async () => 'nested'}}"}, "index.a.b.handler", "nested"),
    ("a module beside it", {"index.js": "const l = require('lib'); exports.handler = async () => l",
                            "node_modules/lib/index.js": "module.exports = 42"}, "index.handler", 42),
    ("undefined is null", {"index.js": "exports.handler = async () => {}"}, "index.handler", None),
    ("callback waits for what is open",
     {"index.js": "exports.handler = (e, c, done) => { setTimeout(() => { global.late = 'done'; }, 30); done(null, 'early'); }"},
     "index.handler", "early"),
    ("callback need not wait",
     {"index.js": "exports.handler = (e, c, done) => { c.callbackWaitsForEmptyEventLoop = false; "
                  "setInterval(() => {}, 10); done(null, 'at once'); }"}, "index.handler", "at once"),
    ("a stream", {"index.js": "exports.handler = awslambda.streamifyResponse(async (e, out) => "
                              "{ out.setContentType('text/plain'); out.write('\"one '); out.end('two\"'); })"},
     "index.handler", "one two"),
]


@pytest.mark.parametrize("why, files, handler, expected", FORMS, ids=[row[0] for row in FORMS])
def test_handler_forms(lam, deploy, why, files, handler, expected):
    assert call(lam, deploy(package(files), runtime=NODE, handler=handler), {"n": 1}).value == expected


def test_the_whole_context(lam, deploy):
    source = """
        exports.handler = async (event, c) => ({
            name: c.functionName, version: c.functionVersion, arn: c.invokedFunctionArn, memory: c.memoryLimitInMB,
            id: c.awsRequestId, group: c.logGroupName, stream: c.logStreamName, client: c.clientContext ?? null,
            remaining: c.getRemainingTimeInMillis(), waits: c.callbackWaitsForEmptyEventLoop,
        });
        """
    name = deploy(node(source), "context", runtime=NODE, handler="index.handler", Timeout=5, MemorySize=192)
    answer = call(lam, name)
    value = answer.value
    assert (value["name"], value["version"], str(value["memory"])) == ("context", "$LATEST", "192")
    assert value["arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:context"
    assert value["id"] == answer.request_id and value["group"] == "/aws/lambda/context"
    assert re.match(r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$", value["stream"])
    assert 3000 < value["remaining"] <= 5000


def test_its_environment(lam, deploy):
    name = deploy(node("exports.handler = async () => process.env"), runtime=NODE, handler="index.handler")
    value = call(lam, name).value
    assert value["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{NODE}" and value["_HANDLER"] == "index.handler"
    assert value["NODE_PATH"].startswith("/opt/nodejs/") and value["LAMBDA_TASK_ROOT"] == "/var/task"
    assert value["AWS_LAMBDA_RUNTIME_API"] and value["_X_AMZN_TRACE_ID"].startswith("Root=1-")


ERRORS = [
    ("thrown", "exports.handler = async () => { throw new TypeError('as asked') }", "TypeError", "as asked"),
    ("to the callback", "exports.handler = (e, c, done) => done(new RangeError('as asked'))", "RangeError", "as asked"),
    ("rejected with text", "exports.handler = () => Promise.reject('only text')", "string", "only text"),
    ("of a class of its own",
     "class Mine extends Error { constructor(m) { super(m); this.name = 'Mine'; } }\n"
     "exports.handler = async () => { throw new Mine('m') }", "Mine", "m"),
    ("a handler that is missing", "exports.other = 1", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
    ("a syntax error", "exports.handler = async ( => 1", "Runtime.UserCodeSyntaxError", "SyntaxError"),
    ("a module that is missing", "require('nothing-of-the-kind')", "Runtime.ImportModuleError",
     "Error: Cannot find module 'nothing-of-the-kind'"),
    ("thrown while loading", "throw new Error('at load')", "Error", "at load"),
]


@pytest.mark.parametrize("why, source, kind, text", ERRORS, ids=[row[0] for row in ERRORS])
def test_errors_reach_the_caller(lam, deploy, why, source, kind, text):
    answer = call(lam, deploy(node(source), runtime=NODE, handler="index.handler"))
    assert answer.error == "Unhandled" and answer.value["errorType"] == kind, answer.raw
    assert text in answer.value["errorMessage"]
    assert isinstance(answer.value.get("trace", []), list)


def test_a_file_that_is_missing(lam, deploy):
    answer = call(lam, deploy(node("exports.handler = 1"), runtime=NODE, handler="other.handler"))
    assert answer.value["errorType"] == "Runtime.ImportModuleError" and "Cannot find module 'other'" in answer.value["errorMessage"]


def test_what_is_thrown_outside_of_the_handler_ends_the_process(lam, deploy):
    source = """
        let calls = 0;
        exports.handler = (event, context, done) => {
            calls += 1;
            if (event.do === "throw") { setTimeout(() => { throw new Error("loose"); }, 5); return; }
            if (event.do === "reject") { Promise.reject(new Error("loose")); setTimeout(() => {}, 5000); return; }
            done(null, calls);
        };
        """
    name = deploy(node(source), runtime=NODE, handler="index.handler", Timeout=5)
    assert call(lam, name).value == 1
    for do, kinds in (("throw", ("Error", "Runtime.ExitError")),
                      ("reject", ("Runtime.UnhandledPromiseRejection", "Runtime.ExitError"))):
        answer = call(lam, name, {"do": do})
        assert answer.error == "Unhandled" and answer.value["errorType"] in kinds, answer.raw
        assert call(lam, name).value == 1


def test_a_circular_answer_is_an_error(lam, deploy):
    source = "exports.handler = async () => { const a = {}; a.a = a; return a; }"
    answer = call(lam, deploy(node(source), runtime=NODE, handler="index.handler"))
    assert answer.error == "Unhandled" and answer.value["errorMessage"] == "Unable to stringify response body"


LOGGING = """
    exports.handler = async () => {
        console.log("plain %d", 5, {a: 1});
        console.error("wrong");
        console.warn("two\\nlines");
        console.debug("details");
        process.stdout.write("raw\\n");
    };
    """


def test_text_logs(lam, deploy):
    answer = call(lam, deploy(node(LOGGING), runtime=NODE, handler="index.handler"))
    stamp = rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{re.escape(answer.request_id)}"
    for line in (r"INFO\tplain 5 \{ a: 1 \}", r"ERROR\twrong", r"WARN\ttwo\nlines", r"DEBUG\tdetails"):
        assert re.search(rf"^{stamp}\t{line}$", answer.log, re.M), answer.log
    assert "raw\n" in answer.log


def test_json_logs_and_levels(lam, deploy):
    name = deploy(node(LOGGING), runtime=NODE, handler="index.handler",
                  LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"})
    answer = call(lam, name)
    objects = [json.loads(line) for line in answer.log.splitlines() if line.startswith("{")]
    own = {o["message"]: o for o in objects if "message" in o}
    assert own["wrong"]["level"] == "ERROR" and own["wrong"]["requestId"] == answer.request_id
    assert own["two\nlines"]["level"] == "WARN" and "details" not in own
    assert any(o.get("type") == "platform.report" for o in objects)


def test_an_exec_wrapper(lam, deploy):
    files = {"index.js": "exports.handler = async () => process.env.WRAPPED",
             "wrap.sh": ('#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n', 0o755)}
    name = deploy(package(files), runtime=NODE, handler="index.handler",
                  Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap.sh"}})
    assert call(lam, name).value == "yes"


def test_module_state_lives_as_long_as_the_sandbox(lam, deploy):
    name = deploy(node("let n = 0; exports.handler = async () => ++n"), runtime=NODE, handler="index.handler")
    assert [call(lam, name).value for _ in range(3)] == [1, 2, 3]
