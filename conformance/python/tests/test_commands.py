"""The `aws` command and `lacewing` itself, from a function's first day to its last."""
import json
import os
import subprocess

import pytest

from harness.commands import aws, environment, lacewing
from harness.packages import NODE, PYTHON, ROLE, package, python
from harness.server import BINARY, KEY
from harness.wait import until


def test_aws_from_create_to_delete(server, tmp_path):
    (tmp_path / "one.zip").write_bytes(python("def handler(event, context):\n    print('said')\n    return {'got': event}"))
    (tmp_path / "two.zip").write_bytes(python("def handler(event, context): return 2"))
    made = json.loads(aws(server, "lambda", "create-function", "--function-name", "byaws", "--runtime", PYTHON, "--role", ROLE,
                          "--handler", "app.handler", "--zip-file", f"fileb://{tmp_path}/one.zip").stdout)
    assert made["FunctionName"] == "byaws" and made["State"] == "Pending"
    aws(server, "lambda", "wait", "function-active-v2", "--function-name", "byaws")
    out = tmp_path / "out.json"
    told = json.loads(aws(server, "lambda", "invoke", "--function-name", "byaws", "--payload", '{"n": 1}', "--log-type", "Tail",
                          str(out)).stdout)
    assert json.loads(out.read_text()) == {"got": {"n": 1}} and told["StatusCode"] == 200 and told["LogResult"]
    assert json.loads(aws(server, "lambda", "get-function", "--function-name", "byaws").stdout)["Configuration"]["State"] == "Active"
    names = json.loads(aws(server, "lambda", "list-functions", "--query", "Functions[].FunctionName").stdout)
    assert "byaws" in names
    aws(server, "lambda", "update-function-code", "--function-name", "byaws", "--zip-file", f"fileb://{tmp_path}/two.zip")
    aws(server, "lambda", "wait", "function-updated-v2", "--function-name", "byaws")
    aws(server, "lambda", "update-function-configuration", "--function-name", "byaws", "--timeout", "9", "--environment",
        "Variables={KEY=value}")
    aws(server, "lambda", "wait", "function-updated-v2", "--function-name", "byaws")
    aws(server, "lambda", "invoke", "--function-name", "byaws", str(out))
    assert json.loads(out.read_text()) == 2
    until(lambda: "said" in aws(server, "logs", "filter-log-events", "--log-group-name", "/aws/lambda/byaws").stdout, 10)
    assert "/aws/lambda/byaws" in aws(server, "logs", "describe-log-groups").stdout
    aws(server, "lambda", "delete-function", "--function-name", "byaws")
    gone = aws(server, "lambda", "get-function", "--function-name", "byaws", expect=None)
    assert gone.returncode != 0 and "ResourceNotFoundException" in gone.stderr


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "app.py").write_text("def handler(event, context):\n    print('spoken')\n    return {'hello': event.get('name', 'you')}\n")
    return folder


def test_lacewing_from_deploy_to_rm(server, project):
    made = json.loads(lacewing(server, "deploy", str(project), "--json").stdout)
    assert made["name"] == "hello"
    assert json.loads(lacewing(server, "invoke", "hello", "--payload", '{"name": "ada"}').stdout) == {"hello": "ada"}
    assert "hello" in lacewing(server, "ls").stdout
    assert "hello" in listed(server)
    until(lambda: "spoken" in lacewing(server, "logs", "hello").stdout, 10)
    assert "requests" in lacewing(server, "cost", "hello").stdout
    bill = json.loads(lacewing(server, "cost", "--json").stdout)
    assert bill["currency"] == "USD" and any(line["function"] == "hello" for line in bill["lines"])
    (project / "app.py").write_text("def handler(event, context): return 'second'\n")
    lacewing(server, "deploy", str(project))
    assert json.loads(lacewing(server, "invoke", "hello").stdout) == "second"
    lacewing(server, "rm", "hello")
    assert "hello" not in listed(server)


def listed(server) -> list:
    return [one["FunctionName"] for one in json.loads(lacewing(server, "ls", "--json").stdout)]


def test_what_is_deployed_is_guessed(server, tmp_path):
    (tmp_path / "single.py").write_text("def lambda_handler(event, context): return 'single'\n")
    lacewing(server, "deploy", str(tmp_path / "single.py"))
    assert json.loads(lacewing(server, "invoke", "single").stdout) == "single"
    (tmp_path / "packed.zip").write_bytes(package({"lambda_function.py": "def lambda_handler(e, c): return 'zip'"}))
    lacewing(server, "deploy", str(tmp_path / "packed.zip"), "--name", "packed")
    assert json.loads(lacewing(server, "invoke", "packed").stdout) == "zip"
    native = tmp_path / "native"
    native.mkdir()
    (native / "bootstrap").write_bytes(open(os.environ["LACEWING_GUEST"], "rb").read())
    (native / "bootstrap").chmod(0o755)
    lacewing(server, "deploy", str(native))
    assert json.loads(lacewing(server, "invoke", "native", "--payload", '{"name":"x"}').stdout) == {"message": "hello x"}
    if NODE:
        (tmp_path / "js").mkdir()
        (tmp_path / "js/index.mjs").write_text("export const handler = async () => 'node'\n")
        lacewing(server, "deploy", str(tmp_path / "js"))
        assert json.loads(lacewing(server, "invoke", "js").stdout) == "node"


def test_a_function_that_fails_is_exit_code_one(server, tmp_path):
    (tmp_path / "bad.py").write_text("def handler(event, context): raise ValueError('as asked')\n")
    lacewing(server, "deploy", str(tmp_path / "bad.py"))
    failed = lacewing(server, "invoke", "bad", expect=1)
    assert "as asked" in failed.stderr + failed.stdout


def test_errors_end_in_a_hint(server, tmp_path):
    for words, code in ((("invoke", "nobody"), 1), (("deploy", str(tmp_path / "nothing")), None), (("logs", "nobody"), 1),
                        (("rm", "nobody"), 1), (("invoke", "x", "--payload", "{bad"), None), (("nonsense",), 2)):
        done = lacewing(server, *words, expect=code)
        assert done.returncode != 0 and done.stdout == "" and len(done.stderr.strip().splitlines()) >= 2, (words, done.stderr)


def test_nobody_there(server):
    done = subprocess.run([BINARY, "ls"], env={**environment(server), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 3 and "lacewing serve" in done.stderr


def test_env_is_for_eval(server, tmp_path):
    done = subprocess.run(["sh", "-c", f'eval "$({BINARY} env --data-dir {server.data})"; echo $AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID'],
                          capture_output=True, text=True, timeout=30, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    url, key = done.stdout.split()
    assert url == server.url and (key == KEY or key.startswith("AKIA")), done.stderr


def test_doctor_tells_walls_and_interpreters(server):
    done = lacewing(server, "doctor", expect=None)
    for word in ("namespace", "seccomp", "memory", "python"):
        assert word in done.stdout.lower(), done.stdout
    assert isinstance(json.loads(lacewing(server, "doctor", "--json", expect=None).stdout), (dict, list))


def test_every_command_teaches_itself():
    listing = subprocess.run([BINARY, "--help"], capture_output=True, text=True, timeout=30).stdout
    for command in ("serve", "demo", "deploy", "invoke", "logs", "ls", "rm", "cost", "env", "doctor"):
        assert command in listing
        assert len(subprocess.run([BINARY, command, "--help"], capture_output=True, text=True, timeout=30).stdout) > 200


def test_a_config_with_an_unknown_key_is_refused(tmp_path):
    (tmp_path / "c.toml").write_text("[scaling]\nkeep_alive = 3\n")
    done = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "d"), "--config", str(tmp_path / "c.toml")],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "keep_alive" in done.stderr
