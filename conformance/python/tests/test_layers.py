"""Layers really lie in /opt: in order, merged, the later one seen, for every runtime."""
import json
import shutil
import subprocess

import pytest

from harness.calls import call, client, create, refused, settled
from harness.commands import lacewing
from harness.packages import NATIVE, NODE, PYTHON, package, python
from harness.server import ACCOUNT, REGION

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:"


@pytest.fixture(scope="module")
def publish(lam):
    """`publish(name, files)` publishes the next version of a layer and returns its ARN."""
    def publish_one(name, files, **more):
        return lam.publish_layer_version(LayerName=name, Content={"ZipFile": package(files)}, **more)["LayerVersionArn"]
    return publish_one


def test_a_python_layers_module_is_imported(lam, deploy, publish):
    layer = publish("words", {"python/words.py": "GREETING = 'from a layer'\n"})
    name = deploy(python("import words, sys\ndef handler(event, context):\n    return words.GREETING, words.__file__\n"),
                  Layers=[layer])
    assert call(lam, name).value == ["from a layer", "/opt/python/words.py"]
    config = lam.get_function_configuration(FunctionName=name)["Layers"]
    assert [entry["Arn"] for entry in config] == [layer] and config[0]["CodeSize"] > 100


@pytest.mark.skipif(not NODE, reason="needs node")
def test_a_node_layers_module_is_required(lam, deploy, publish):
    layer = publish("node-words", {"nodejs/node_modules/words/index.js": "exports.greeting = 'from a layer'\n"})
    source = "const w = require('words'); exports.handler = async () => w.greeting"
    name = deploy(package({"index.js": source}), runtime=NODE, handler="index.handler", Layers=[layer])
    assert call(lam, name).value == "from a layer"


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_a_shared_library_and_an_executable_are_found(lam, deploy, publish, tmp_path):
    (tmp_path / "answer.c").write_text("int answer(void) { return 42; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "libanswer.so", tmp_path / "answer.c"], check=True)
    layer = publish("native", {"lib/libanswer.so": ((tmp_path / "libanswer.so").read_bytes(), 0o755),
                               "bin/hello": (b"#!/bin/sh\necho from /opt/bin\n", 0o755)})
    name = deploy(python("""
        import ctypes, subprocess
        def handler(event, context):
            return ctypes.CDLL("libanswer.so").answer(), subprocess.check_output(["hello"], text=True)
    """), Layers=[layer])
    assert call(lam, name).value == [42, "from /opt/bin\n"]


def test_the_later_layer_is_seen_and_the_rest_is_merged(lam, deploy, publish):
    first = publish("first", {"python/one.py": "X = 'first'\n", "python/only.py": "Y = 'only first'\n", "data/a": "1"})
    second = publish("second", {"python/one.py": "X = 'second'\n", "data/b": "2"})
    source = python("""
        import one, only, os
        def handler(event, context):
            try:
                open("/opt/x", "w")
            except OSError:
                return one.X, only.Y, sorted(os.listdir("/opt/data"))
    """)
    name = deploy(source, Layers=[first, second])
    assert call(lam, name).value == ["second", "only first", ["a", "b"]]
    lam.update_function_configuration(FunctionName=name, Layers=[second, first])
    settled(lam, name)
    assert call(lam, name).value[0] == "first"
    lam.update_function_configuration(FunctionName=name, Layers=[])
    settled(lam, name)
    assert call(lam, name).error == "Unhandled"


def test_a_custom_runtime_comes_from_a_layer(lam, deploy, publish):
    bootstrap = """
        #!/usr/bin/env python3
        import json, os, urllib.request
        api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
        while True:
            with urllib.request.urlopen(api + "next") as event:
                url = api + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
                body = json.dumps({"file": __file__, "event": json.load(event)}).encode()
            urllib.request.urlopen(url, body).read()
    """.replace("\n        ", "\n").lstrip()
    layer = publish("runtime", {"bootstrap": (bootstrap.encode(), 0o755)})
    name = deploy(package({"data.txt": "no code"}), runtime=NATIVE, handler="any", Layers=[layer])
    assert call(lam, name, 7).value == {"file": "/opt/bootstrap", "event": 7}


def test_a_version_keeps_the_layers_that_it_froze(lam, deploy, publish):
    one = publish("frozen", {"python/word.py": "W = 1\n"})
    two = publish("frozen", {"python/word.py": "W = 2\n"})
    name = deploy(python("import word\ndef handler(event, context):\n    return word.W\n"), Layers=[one])
    version = lam.publish_version(FunctionName=name)["Version"]
    lam.update_function_configuration(FunctionName=name, Layers=[two])
    settled(lam, name)
    lam.delete_layer_version(LayerName="frozen", VersionNumber=1)
    lam.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 1})
    assert (call(lam, f"{name}:{version}").value, call(lam, name).value) == (1, 2)


def test_layers_survive_a_kill_even_deleted_ones(own_server):
    server = own_server().start()
    lam = client(server)
    arns = [lam.publish_layer_version(LayerName=name, Content={"ZipFile": package({f"python/{name}.py": "X = 1\n"})})
            ["LayerVersionArn"] for name in ("left", "right")]
    create(lam, "kept", python("import left, right\ndef handler(event, context):\n    return left.X + right.X\n"), Layers=arns)
    lam.delete_layer_version(LayerName="left", VersionNumber=1)
    server.kill()
    shutil.rmtree(server.data / "code")
    server.start()
    lam = client(server)
    assert call(lam, "kept").value == 2
    assert lam.list_layers()["Layers"][0]["LayerName"] == "right"
    again = lam.publish_layer_version(LayerName="left", Content={"ZipFile": package({"x": "1"})})
    assert again["Version"] == 2


def test_lists_and_refusals(lam, publish):
    for number in range(3):
        publish("listed", {"x": str(number)}, CompatibleRuntimes=[PYTHON], Description=str(number))
    pages = lam.get_paginator("list_layer_versions").paginate(LayerName="listed", PaginationConfig={"PageSize": 2})
    assert [version["Version"] for page in pages for version in page["LayerVersions"]] == [3, 2, 1]
    found = lam.get_layer_version_by_arn(Arn=ARN + "listed:2")
    assert (found["Version"], found["Description"], found["CompatibleRuntimes"]) == (2, "1", [PYTHON])
    assert "listed" in [layer["LayerName"] for layer in lam.list_layers(CompatibleRuntime=PYTHON)["Layers"]]
    assert refused(lam.get_layer_version, LayerName="listed", VersionNumber=0)[2] == "Layer Version Cannot be less than 1"


def test_a_layer_of_another_account_is_had_by_its_policy(server, lam, deploy, publish):
    made = json.loads(lacewing(server, "key", "create", "--account", "111111111111", "--json").stdout)
    other = client(server, key=made["access_key_id"], secret=made["secret_access_key"])
    layer = other.publish_layer_version(LayerName="shared", Content={"ZipFile": package({"python/shared.py": "S = 's'\n"})})
    arn, source = layer["LayerVersionArn"], python("import shared\ndef handler(event, context):\n    return shared.S\n")
    for denied in (lambda: lam.get_layer_version_by_arn(Arn=arn), lambda: deploy(source, Layers=[arn])):
        status, error, text = refused(denied)
        assert (status, error) == (403, "AccessDeniedException") and f"lambda:GetLayerVersion on resource: {arn}" in text
    other.add_layer_version_permission(LayerName="shared", VersionNumber=1, StatementId="all",
                                       Action="lambda:GetLayerVersion", Principal=ACCOUNT)
    assert lam.get_layer_version_by_arn(Arn=arn)["LayerVersionArn"] == arn
    assert call(lam, deploy(source, Layers=[arn])).value == "s"
    assert refused(lam.delete_layer_version, LayerName=layer["LayerArn"], VersionNumber=1)[0] == 403
