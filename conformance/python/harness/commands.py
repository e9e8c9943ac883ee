"""The `aws` command and our own, as a person uses them."""
import os
import subprocess
import sys
from pathlib import Path

from .server import BINARY, KEY, REGION, SECRET

AWS = [sys.executable, str(Path(sys.executable).parent / "aws")]
# The second version of the command, from the system: PyPI has the first, which cannot tail logs.
AWS_2 = "/usr/bin/aws"


def environment(server, **more) -> dict:
    """What `lacewing env` prints, in a shell without a person's own AWS settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**kept, "AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1",
            "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", **more}


def aws(server, *words, expect=0) -> subprocess.CompletedProcess:
    return run([*AWS, *words], environment(server), expect)


def lacewing(server, *words, expect=0) -> subprocess.CompletedProcess:
    return run([BINARY, *words], environment(server), expect)


def run(command, env, expect):
    done = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert expect is None or done.returncode == expect, f"{command} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
