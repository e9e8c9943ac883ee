"""Infrastructure as code against the endpoint of the environment: Terraform (or OpenTofu) and Ansible. Neither is told that this
is not AWS; what they have made they find again unchanged, and take away."""
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from harness.calls import refused
from harness.ecosystem import python_tool, run
from harness.packages import PYTHON, python
from harness.server import ACCOUNT

HERE = Path(__file__).parent
APP = python("def handler(event, context): return event")
TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
# A folder of providers, for machines that reach no registry of them.
PLUGINS = os.environ.get("LACEWING_TERRAFORM_PLUGINS") or ("/opt/tf-plugins" if Path("/opt/tf-plugins").exists() else None)


@pytest.fixture
def terraform(server, tmp_path):
    if not TERRAFORM:
        pytest.skip("neither terraform nor tofu is here: neither PyPI nor npm nor Debian has them")
    shutil.copy(HERE / "terraform" / "main.tf", tmp_path)
    (tmp_path / "app.zip").write_bytes(APP)
    kept = {"TF_CLI_CONFIG_FILE": os.devnull, "TF_VAR_runtime": PYTHON, "TF_IN_AUTOMATION": "1"}

    def terraform(*words, expect=0, **variables):
        settings = {**kept, **{f"TF_VAR_{name}": str(value) for name, value in variables.items()}}
        return run(server, TERRAFORM, *words, "-no-color", home=tmp_path, cwd=tmp_path, env=settings, expect=expect)
    plugins = (f"-plugin-dir={PLUGINS}",) if PLUGINS else ()
    try:
        terraform("init", "-input=false", *plugins)
    except AssertionError as error:
        if "registry" in str(error):
            pytest.skip("no registry of providers can be reached; LACEWING_TERRAFORM_PLUGINS names a folder of them")
        raise
    return terraform


def test_terraform_applies_finds_unchanged_changes_and_destroys(lam, terraform):
    apply, nothing = ("apply", "-auto-approve", "-input=false"), ("plan", "-input=false", "-detailed-exitcode")
    terraform(*apply)
    told = {name: about["value"] for name, about in json.loads(terraform("output", "-json")).items()}
    assert (told["said"], told["account"], told["version"]) == ({"hello": "you"}, ACCOUNT, "1")
    assert ".lambda-url." in told["url"]
    terraform(*nothing)
    terraform(*apply, memory=512)
    assert lam.get_function_configuration(FunctionName="from-terraform", Qualifier="live")["MemorySize"] == 512
    terraform(*nothing, memory=512)
    assert "from-terraform" in terraform("state", "show", "aws_lambda_function.function")
    assert "18 destroyed" in terraform("destroy", "-auto-approve")
    assert refused(lam.get_function, FunctionName="from-terraform")[1] == "ResourceNotFoundException"


def test_terraform_imports_what_others_have_made(lam, deploy, terraform, tmp_path):
    """The usual way in from somewhere else: what is there is taken over as it is."""
    deploy(APP, name="made-by-hand", MemorySize=192, Description="by hand")
    (tmp_path / "main.tf").write_text("""
        terraform {
          required_providers {
            aws = { source = "hashicorp/aws" }
          }
        }
        provider "aws" {}
        import {
          to = aws_lambda_function.imported
          id = "made-by-hand"
        }
    """)
    terraform("plan", "-input=false", "-generate-config-out=generated.tf", expect=None)
    written = (tmp_path / "generated.tf").read_text()
    assert re.search(r'memory_size\s+= 192', written) and re.search(r'description\s+= "by hand"', written)


def test_ansible_makes_finds_unchanged_and_takes_away(server, lam, tmp_path):
    playbook = python_tool("ansible-playbook")
    shutil.copy(HERE / "ansible" / "site.yml", tmp_path)
    (tmp_path / "app.zip").write_bytes(APP)
    how = dict(home=tmp_path, cwd=tmp_path, env={"LC_ALL": "C.UTF-8"})

    def play(*more, state="present"):
        said = run(server, playbook, "-i", "localhost,", "site.yml", "-e", f"state={state}", "-e", f"runtime={PYTHON}",
                   *more, **how)
        return {word: int(count) for word, count in re.findall(r"(ok|changed|failed)=(\d+)", said)}
    assert play()["changed"] == 9, "policy, role, inline policy, layer, function, alias, permission, mapping, call"
    again = play("--skip-tags", "once")
    assert (again["changed"], again["failed"]) == (0, 0) and again["ok"] > 7
    config = lam.get_function_configuration(FunctionName="from-ansible")
    assert (config["MemorySize"], config["Environment"]["Variables"]) == (256, {"MODE": "test"})
    assert play(state="absent")["changed"] == 8
    assert refused(lam.get_function, FunctionName="from-ansible")[1] == "ResourceNotFoundException"
