"""`[limits] mode = "relaxed"`: wider than Lambda's, and still bounded."""
import json

from harness.calls import call, create, refused, settled
from harness.packages import package, python

CONFIG = '[limits]\nmode = "relaxed"\n'
ECHO = python("import os\ndef handler(event, context): return event if event != 'big' else os.environ['BIG']")


def test_events_and_answers_may_be_larger(lam, deploy):
    name = deploy(ECHO, "echo", Timeout=30, MemorySize=1024)
    event = "x" * (20 << 20)
    assert call(lam, name, event).value == event
    status, kind, text = refused(lam.invoke, FunctionName=name, Payload=json.dumps("x" * (33 << 20)))
    assert (status, kind) == (413, "RequestEntityTooLargeException") and "limit 33554432 bytes" in text


def test_environments_may_be_larger(lam, deploy):
    big = "v" * 20_000
    name = deploy(ECHO, "environment", Environment={"Variables": {"BIG": big}})
    assert call(lam, name, "big").value == big
    status, _, text = refused(lam.update_function_configuration, FunctionName=name, Environment={"Variables": {"BIG": "v" * 40_000}})
    assert status == 400 and "exceeded the 32KB limit" in text


def test_packages_may_be_larger(lam):
    noise = bytes(range(256)) * 4_096
    files = {f"data-{n}": bytes([n]) * (4 << 20) for n in range(70)}
    zipped = package({"app.py": "def handler(event, context): return 1", "noise": noise, **files})
    create(lam, "large", zipped)
    settled(lam, "large")
    assert call(lam, "large").value == 1
