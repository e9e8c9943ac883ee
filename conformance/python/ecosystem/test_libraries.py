"""Libraries and runtime clients that functions are packed with, as deployments vendor them: Middy, Powertools for TypeScript,
AWS's own runtime interface client for Python, OpenTelemetry by AWS_LAMBDA_EXEC_WRAPPER."""
import json
import subprocess

import pytest

from harness.calls import call
from harness.ecosystem import NODE_MODULES, PLACE, node_tool, python_tool, tool
from harness.packages import NODE, package, python, site_packages


def bundle(tmp_path, source, **more):
    """A function's module and all it imports in one file, as esbuild makes it for most functions of Node."""
    esbuild = node_tool("esbuild")
    (tmp_path / "main.mts").write_text(source)
    if not (tmp_path / "node_modules").exists():
        (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    banner = "import { createRequire } from 'module'; const require = createRequire(import.meta.url);"
    words = [esbuild, "main.mts", "--bundle", "--platform=node", "--format=esm", f"--target=node{NODE[6:8]}",
             "--outfile=index.mjs", f"--banner:js={banner}", "--log-level=error", "--external:@aws-sdk/*"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return package({"index.mjs": (tmp_path / "index.mjs").read_bytes(), **more})


def lines(answer):
    return [json.loads(line) for line in answer.log.splitlines() if line.startswith("{")]


MIDDY = """
import middy from "@middy/core";
const handler = middy()
  .use({ before: async (request) => { request.event.seen = request.context.functionName; },
         after: async (request) => { request.response.after = true; },
         onError: async (request) => { request.response = { caught: request.error.message }; } })
  .handler(async (event, context, { signal }) => {
    if (event.fail) throw new Error("on purpose");
    if (event.slow) await new Promise((done, failed) => signal.addEventListener("abort", () => failed(new Error("aborted in time"))));
    return { seen: event.seen, left: context.getRemainingTimeInMillis() > 0 };
  });
export { handler };
"""


def test_middy(lam, deploy, tmp_path):
    name = deploy(bundle(tmp_path, MIDDY), runtime=NODE, handler="index.handler", Timeout=2)
    assert call(lam, name).value == {"seen": name, "left": True, "after": True}
    assert call(lam, name, {"fail": 1}).value == {"caught": "on purpose"}
    # Middy ends what runs late by the time that the context says is left.
    assert "aborted" in call(lam, name, {"slow": 1}).value["caught"]


POWERTOOLS = """
import { Logger } from "@aws-lambda-powertools/logger";
import { injectLambdaContext } from "@aws-lambda-powertools/logger/middleware";
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { logMetrics } from "@aws-lambda-powertools/metrics/middleware";
import { Tracer } from "@aws-lambda-powertools/tracer";
import { captureLambdaHandler } from "@aws-lambda-powertools/tracer/middleware";
import middy from "@middy/core";
const logger = new Logger(), metrics = new Metrics(), tracer = new Tracer();
export const handler = middy(async (event: { who: string }) => {
  logger.info("greeting", { who: event.who });
  metrics.addMetric("Greetings", MetricUnit.Count, 1);
  return { hello: event.who, trace: tracer.getRootXrayTraceId() ?? null, traced: tracer.isTracingEnabled() };
}).use(captureLambdaHandler(tracer)).use(injectLambdaContext(logger, { logEvent: true })).use(logMetrics(metrics, { captureColdStartMetric: true }));
"""
SETTINGS = {"POWERTOOLS_SERVICE_NAME": "shop", "POWERTOOLS_METRICS_NAMESPACE": "Shop", "POWERTOOLS_LOG_LEVEL": "INFO"}


def test_powertools_for_typescript(lam, deploy, tmp_path):
    name = deploy(bundle(tmp_path, POWERTOOLS), runtime=NODE, handler="index.handler", Timeout=30, MemorySize=512,
                  Environment={"Variables": SETTINGS})
    answer = call(lam, name, {"who": "you"})
    assert answer.value["hello"] == "you", answer.value
    greeting = next(line for line in lines(answer) if line.get("message") == "greeting")
    assert (greeting["who"], greeting["service"], greeting["function_name"]) == ("you", "shop", name)
    assert (greeting["cold_start"], greeting["function_memory_size"]) == (True, "512")
    assert greeting["function_request_id"] == answer.request_id and greeting["xray_trace_id"]
    embedded = [line for line in lines(answer) if "_aws" in line]
    assert any(line.get("Greetings") == 1 for line in embedded) and any(line.get("ColdStart") == 1 for line in embedded)
    again = call(lam, name, {"who": "me"})
    greeting = next(line for line in lines(again) if line.get("message") == "greeting")
    assert greeting["cold_start"] is False and not any("ColdStart" in line for line in lines(again))


def test_awss_runtime_interface_client_for_python(lam, deploy):
    """`awslambdaric`, what images of Python run on, as a custom runtime out of its package."""
    root, files = site_packages(), {}
    for name in ("awslambdaric", "simplejson", "snapshot_restore_py"):
        files |= {str(path.relative_to(root)): path.read_bytes() for path in (root / name).rglob("*") if path.is_file()}
    files |= {path.name: path.read_bytes() for path in root.glob("runtime_client*.so")}
    files["bootstrap"] = ("#!/bin/sh\nexec /usr/bin/python3 -m awslambdaric app.handler\n", 0o755)
    files["app.py"] = """
        def handler(event, context):
            print("asked by", event["name"])
            if event.get("fail"):
                raise ValueError("on purpose")
            return {"hello": event["name"], "left": context.get_remaining_time_in_millis() > 0, "name": context.function_name}
    """
    name = deploy(package(files), runtime="provided.al2023", handler="app.handler", MemorySize=256)
    answer = call(lam, name, {"name": "you"})
    assert answer.value == {"hello": "you", "left": True, "name": name} and "asked by you" in answer.log
    failed = call(lam, name, {"name": "you", "fail": 1})
    assert (failed.error, failed.value["errorType"], failed.value["errorMessage"]) == ("Unhandled", "ValueError", "on purpose")
    assert "app.py" in failed.value["stackTrace"][0]


def vendored(*names):
    """Packages of the tools' environment, as a layer has them."""
    root, files = next((PLACE / "py" / "lib").glob("python3.*")) / "site-packages", {}
    for name in names:
        found = root / name
        for path in [found] if found.is_file() else sorted(found.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files[f"python/{path.relative_to(root)}"] = path.read_bytes()
    return files


WRAPPER = """#!/bin/bash
# As AWS's layer for OpenTelemetry does it: the handler is another's, which instruments the real one.
export ORIG_HANDLER="$_HANDLER"
export _HANDLER="otel_wrapper.handler"
# The header of a call that nobody traces says so, and then there is no span.
export OTEL_PROPAGATORS=tracecontext
exec "$@"
"""
OTEL = """
import os, importlib
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, ConsoleSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\\n")))
trace.set_tracer_provider(provider)
from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor
module, name = os.environ["ORIG_HANDLER"].rsplit(".", 1)
os.environ["_HANDLER"] = os.environ["ORIG_HANDLER"]
AwsLambdaInstrumentor().instrument()
def handler(event, context):
    return getattr(importlib.import_module(module), name)(event, context)
"""


def test_opentelemetry_by_a_wrapper_script_of_a_layer(lam, deploy):
    tool("py/bin/opentelemetry-instrument")
    files = vendored("opentelemetry", "wrapt", "typing_extensions.py", "importlib_metadata", "zipp", "packaging")
    root = next((PLACE / "py" / "lib").glob("python3.*")) / "site-packages"
    for about in [*root.glob("opentelemetry_*.dist-info"), *root.glob("packaging*.dist-info")]:
        files |= {f"python/{path.relative_to(root)}": path.read_bytes() for path in about.rglob("*") if path.is_file()}
    layer = package({**files, "otel": (WRAPPER, 0o755), "python/otel_wrapper.py": OTEL})
    arn = lam.publish_layer_version(LayerName="otel", Content={"ZipFile": layer})["LayerVersionArn"]
    name = deploy(python("def handler(event, context): return event"), Layers=[arn], Timeout=30, MemorySize=512,
                  Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel"}})
    answer = call(lam, name, {"n": 1})
    assert answer.value == {"n": 1}, answer.log
    print(answer.log)
    span = next(line for line in lines(answer) if "attributes" in line)
    assert span["attributes"]["faas.invocation_id"] == answer.request_id
    assert f":function:{name}" in span["attributes"]["cloud.resource_id"]
