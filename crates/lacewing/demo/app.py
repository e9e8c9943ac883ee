"""The demo's Python function."""

import sys

calls = 0


def handler(event, context):
    global calls
    calls += 1
    print(f"python: call {calls}, event {event}, {context.memory_limit_in_mb} MB")
    return {"from": f"Python {sys.version.split()[0]}", "call": calls, "event": event}
