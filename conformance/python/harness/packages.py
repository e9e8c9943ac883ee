"""Zips as people make them, and as attackers do."""
import io
import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

SERVED_PYTHON = range(6, 15)
SERVED_NODE = (24, 22, 20, 18, 16, 14, 12)


def _version(command: str):
    path = shutil.which(command)
    if not path:
        return None
    out = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    return [int(n) for n in re.findall(r"\d+", out)[:2]]


def _python() -> str:
    version = _version("/usr/bin/python3") or list(sys.version_info[:2])
    return f"python3.{version[1]}" if version[1] in SERVED_PYTHON else "python3.13"


def _node():
    version = _version("node")
    if not version:
        return None
    return f"nodejs{version[0]}.x" if version[0] in SERVED_NODE else "nodejs22.x"


PYTHON, NODE, NATIVE = _python(), _node(), "provided.al2023"
GUEST = os.environ.get("LACEWING_GUEST", "")
ROLE = "arn:aws:iam::000000000000:role/of-the-function"


def package(files: dict) -> bytes:
    """A zip of `{path: text, bytes or (bytes, mode)}`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            content, mode = content if isinstance(content, tuple) else (content, 0o644)
            entry = zipfile.ZipInfo(path, date_time=(2026, 1, 2, 3, 4, 6))
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, textwrap.dedent(content) if isinstance(content, str) else content)
    return out.getvalue()


def python(source: str, **others) -> bytes:
    return package({"app.py": source, **others})


def guest() -> bytes:
    """The package of the function written with AWS's Rust runtime client."""
    return package({"bootstrap": (Path(GUEST).read_bytes(), 0o755)})


def shell(script: str) -> bytes:
    """A custom runtime in a shell script."""
    return package({"bootstrap": ("#!/bin/sh\n" + textwrap.dedent(script), 0o755)})


def site_packages() -> Path:
    import boto3

    return Path(boto3.__file__).parent.parent


def with_boto3(files: dict, services=("lambda", "logs", "sts")) -> bytes:
    """Files beside boto3 as a deployment would vendor it, pared down to the services that are called."""
    root = site_packages()
    everything = dict(files)
    for name in ("boto3", "botocore", "jmespath", "dateutil", "urllib3", "s3transfer", "six.py"):
        for path in [root / name] if name.endswith(".py") else sorted((root / name).rglob("*")):
            inner = path.relative_to(root)
            if not path.is_file() or path.suffix == ".pyc":
                continue
            is_data = inner.parts[:2] == ("botocore", "data") and len(inner.parts) > 3
            if is_data and inner.parts[2] not in services:
                continue
            everything[str(inner)] = path.read_bytes()
    return package(everything)


def with_runtime_client(source: str) -> bytes:
    """A `provided` package that runs AWS's own Python client, `awslambdaric`, unmodified."""
    root = site_packages()
    files = {"app.py": source, "bootstrap": (BOOTSTRAP, 0o755)}
    for name in ("awslambdaric", "simplejson", "snapshot_restore_py"):
        for path in sorted((root / name).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                files[str(path.relative_to(root))] = path.read_bytes()
    for path in root.glob("runtime_client*.so"):
        files[path.name] = (path.read_bytes(), 0o755)
    return package(files)


BOOTSTRAP = """\
#!/bin/sh
export PYTHONPATH=/var/task
exec /usr/bin/python3 -m awslambdaric "$_HANDLER"
"""
