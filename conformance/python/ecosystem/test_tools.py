"""Tools that people bring from Lambda, as they are, against the real server. `cargo xtask ecosystem` installs them."""
import json
import os
import re
import shutil
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from harness.calls import call, create, settled
from harness.ecosystem import PLACE, run, tool
from harness.packages import guest, package, python
from harness.server import ACCOUNT, REGION

HELLO = python("def handler(event, context): return event")
GUEST = os.environ.get("LACEWING_GUEST", "")


WAITERS = botocore.session.get_session().get_waiter_model("lambda").waiter_names
PAGINATORS = sorted(botocore.session.get_session().get_paginator_model("lambda")._paginator_config)


@pytest.fixture(scope="module")
def many(lam):
    """Something of everything that is listed in pages, at least two of each."""
    for name in ("many-a", "many-b"):
        create(lam, name, HELLO)
        lam.publish_version(FunctionName=name)
        lam.create_alias(FunctionName=name, Name="one", FunctionVersion="1")
        lam.create_alias(FunctionName=name, Name="two", FunctionVersion="1")
        lam.create_function_url_config(FunctionName=name, AuthType="NONE")
        lam.create_function_url_config(FunctionName=name, AuthType="NONE", Qualifier="one")
        lam.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
        lam.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1, Qualifier="one")
        lam.create_event_source_mapping(FunctionName=name, EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
        lam.publish_layer_version(LayerName=name, Content={"ZipFile": HELLO})
        lam.publish_layer_version(LayerName=name, Content={"ZipFile": HELLO})
    profiles = {"SigningProfileVersionArns": [f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/p"]}
    arns = [lam.create_code_signing_config(AllowedPublishers=profiles)["CodeSigningConfig"]["CodeSigningConfigArn"] for _ in range(2)]
    for name in ("many-a", "many-b"):
        lam.create_capacity_provider(
            CapacityProviderName=name, VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
            PermissionsConfig={"CapacityProviderOperatorRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r"})
        lam.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arns[0])
        lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)
    return {"FunctionName": "many-a", "LayerName": "many-a", "CodeSigningConfigArn": arns[0], "CapacityProviderName": "many-a"}


@pytest.mark.parametrize("name", WAITERS)
def test_boto3_waiters_end(lam, many, name):
    qualified = {"Qualifier": "1"} if name == "PublishedVersionActive" else {}
    lam.get_waiter(xform_name(name)).wait(FunctionName="many-a", **qualified)


@pytest.mark.parametrize("name", PAGINATORS)
def test_boto3_paginators_find_in_small_pages_what_they_find_in_one(lam, many, name):
    model = botocore.session.get_session().get_service_model("lambda").operation_model(name)
    if "Durable" in name:
        pytest.skip("durable executions are not there yet")
    asked = {field: many[field] for field in model.input_shape.required_members if field in many}
    paginator = lam.get_paginator(xform_name(name))
    key = botocore.session.get_session().get_paginator_model("lambda").get_paginator(name)["result_key"]
    whole = paginator.paginate(**asked).build_full_result()[key]
    small = paginator.paginate(**asked, PaginationConfig={"PageSize": 1}).build_full_result()[key]
    # No function runs on machines of its own yet.
    assert bool(whole) != (name == "ListFunctionVersionsByCapacityProvider") and len(small) == len(whole)


def test_cargo_lambda_deploys_and_invokes(server, lam, tmp_path):
    """Against the endpoint of the environment: it makes a role by IAM, the function, and calls it."""
    cargo_lambda = tool("py/bin/cargo-lambda")
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "Cargo.toml").write_text('[package]\nname = "from-cargo-lambda"\nversion = "0.1.0"\nedition = "2021"\n')
    (project / "src" / "main.rs").write_text("fn main() {}\n")
    binary = project / "bootstrap"
    shutil.copy(GUEST, binary)
    tools = {"cwd": project, "home": Path.home()}
    run(server, cargo_lambda, "lambda", "deploy", "--binary-path", str(binary), "--endpoint-url", server.url,
        "from-cargo-lambda", **tools)
    settled(lam, "from-cargo-lambda")
    told = lam.get_function_configuration(FunctionName="from-cargo-lambda")
    assert told["Runtime"].startswith("provided.") and ":role/" in told["Role"]
    said = run(server, cargo_lambda, "lambda", "invoke", "--remote", "--endpoint-url", server.url, "--data-ascii",
               '{"do":"echo","value":[1,2]}', "from-cargo-lambda", **tools)
    assert json.loads(said) == call(lam, "from-cargo-lambda", {"do": "echo", "value": [1, 2]}).value
    # Again: what is there is updated.
    run(server, cargo_lambda, "lambda", "deploy", "--binary-path", str(binary), "--endpoint-url", server.url, "--memory",
        "256", "from-cargo-lambda", **tools)
    settled(lam, "from-cargo-lambda")
    assert lam.get_function_configuration(FunctionName="from-cargo-lambda")["MemorySize"] == 256
    lam.delete_function(FunctionName="from-cargo-lambda")


def test_the_sdk_for_rust(server, tmp_path):
    sdk = tool("rust/debug/rust-sdk")
    zipped = tmp_path / "guest.zip"
    zipped.write_bytes(guest())
    said = run(server, sdk, str(zipped), home=tmp_path).splitlines()
    assert said[0].startswith("invoked 200 ") and re.fullmatch(r"listed \d+", said[1]) and said[2] == "gone"


def powertools_package(source):
    """Powertools as a deployment vendors it."""
    root = next((PLACE / "py" / "lib").glob("python3.*")) / "site-packages"
    files = {"app.py": source}
    for name in ("aws_lambda_powertools", "aws_xray_sdk", "wrapt", "botocore", "dateutil", "six.py", "jmespath", "urllib3", "typing_extensions.py"):
        found = root / name
        for path in [found] if found.is_file() else sorted(found.rglob("*")):
            # Of the services that botocore knows, a deployment keeps those that it calls: none.
            if path.is_file() and not {"__pycache__", "data"} & set(path.parts):
                files[str(path.relative_to(root))] = path.read_bytes()
    return package(files)


def test_powertools_for_python(server, lam, deploy, logs):
    tool("py/bin/cargo-lambda")
    source = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver
from aws_lambda_powertools.metrics import MetricUnit

app, logger, metrics, tracer = LambdaFunctionUrlResolver(), Logger(), Metrics(), Tracer()

@app.get("/hello/<name>")
def hello(name):
    logger.info("greeting", extra={"who": name})
    metrics.add_metric(name="Greetings", unit=MetricUnit.Count, value=1)
    return {"hello": name, "q": app.current_event.get_query_string_value("q")}

@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)
"""
    name = deploy(powertools_package(source), Timeout=60, MemorySize=512, Environment={"Variables": {
        "POWERTOOLS_SERVICE_NAME": "shop", "POWERTOOLS_METRICS_NAMESPACE": "Shop", "POWERTOOLS_LOG_LEVEL": "INFO"}})
    event = {"version": "2.0", "rawPath": "/hello/you", "rawQueryString": "q=1", "queryStringParameters": {"q": "1"},
             "headers": {}, "requestContext": {"http": {"method": "GET", "path": "/hello/you"}, "stage": "$default"}}
    answer = call(lam, name, event)
    assert answer.value.get("statusCode") == 200, answer.value
    assert json.loads(answer.value["body"]) == {"hello": "you", "q": "1"}
    lines = [json.loads(line) for line in answer.log.splitlines() if line.startswith("{")]
    greeting = next(line for line in lines if line.get("message") == "greeting")
    assert (greeting["who"], greeting["service"], greeting["function_name"]) == ("you", "shop", name)
    assert greeting["cold_start"] is True and greeting["function_memory_size"] == "512"
    embedded = [line for line in lines if "_aws" in line]
    assert any(line.get("Greetings") == [1.0] for line in embedded) and any("ColdStart" in line for line in embedded)
