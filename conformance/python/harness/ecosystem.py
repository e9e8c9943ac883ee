"""Tools that `cargo xtask ecosystem` has installed, run as a person runs them: by their own commands, in a project's folder."""
import os
import subprocess
from pathlib import Path

import pytest

from .commands import environment

PLACE = Path(os.environ.get("LACEWING_ECOSYSTEM", "/nonexistent"))
NODE_MODULES = PLACE / "node" / "node_modules"
# Tools of Node that are built on the AWS SDK's second version, which reads no AWS_ENDPOINT_URL, get their endpoint by this.
ENDPOINT_OF_SDK_2 = Path(__file__).parent / "endpoint.cjs"
# What tools would otherwise tell their makers, or ask for on a terminal.
QUIET = {"CI": "1", "SAM_CLI_TELEMETRY": "0", "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off",
         "SLS_INTERACTIVE_SETUP_ENABLE": "0", "CHECKPOINT_DISABLE": "1", "ANSIBLE_DEPRECATION_WARNINGS": "0",
         "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1", "CDK_DISABLE_CLI_TELEMETRY": "true"}


def tool(path):
    found = PLACE / path
    if not found.exists():
        pytest.skip(f"{found} is not there: run `cargo xtask ecosystem`")
    return str(found)


def python_tool(name):
    return tool(f"py/bin/{name}")


def node_tool(name):
    return tool(f"node/node_modules/.bin/{name}")


def run(server, *words, home, expect=0, env=None, text=None, **more):
    """Runs a command with nothing of AWS but what `lacewing env` prints; what it said on stdout."""
    path = f"{PLACE / 'py' / 'bin'}:{os.environ['PATH']}"
    settings = {**environment(server, HOME=str(home), PATH=path), **QUIET, **(env or {})}
    feed = {"input": text} if text is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(words, env=settings, capture_output=True, text=True, timeout=300, **feed, **more)
    assert expect is None or done.returncode == expect, f"{words} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def by_sdk_2():
    """The environment of a tool that is built on the AWS SDK for JavaScript, version 2."""
    return {"NODE_OPTIONS": f"--require {ENDPOINT_OF_SDK_2} --no-deprecation"}
