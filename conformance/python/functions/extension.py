#!/usr/bin/env python3
"""An external extension: says in its log what it is told, and does what the function asks of it in /tmp/do."""
import json
import os
import sys
import time
import urllib.error
import urllib.request

API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension"
NAME = os.path.basename(__file__)
MODE = os.environ.get("EXTENSION_MODE", "")


def ask(path, body=None, method=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.headers, json.loads(answer.read() or b"null")


def say(**what):
    print("TOLD", json.dumps(what), flush=True)


if MODE == "exit":
    sys.exit(7)
events = ["INVOKE"] if MODE == "deaf" else ["INVOKE", "SHUTDOWN"]
head, about = ask("/register", {"events": events}, Lambda_Extension_Name=NAME,
                  Lambda_Extension_Accept_Feature="accountId")
me = {"Lambda-Extension-Identifier": head["Lambda-Extension-Identifier"]}
say(registered=about, environment=sorted(os.environ))
if MODE == "init-error":
    ask("/init/error", {"errorMessage": "no key"}, Lambda_Extension_Function_Error_Type="Extension.NoKey", **me)
    sys.exit(1)
if MODE == "never-asks":
    time.sleep(60)

while True:
    head, event = ask("/event/next", **me)
    say(event=event, id=head["Lambda-Extension-Event-Identifier"])
    if event["eventType"] == "SHUTDOWN":
        if MODE == "lingers":
            time.sleep(60)
        say(bye=True)
        sys.exit(0)
    while not os.path.exists("/tmp/do"):
        time.sleep(0.001)
    with open("/tmp/do") as file:
        do = file.read()
    os.remove("/tmp/do")
    say(does=do)
    if do == "exit":
        sys.exit(3)
    if do == "exit-error":
        ask("/exit/error", {"errorMessage": "broken"}, Lambda_Extension_Function_Error_Type="Extension.Broken", **me)
        sys.exit(0)
    if do == "hang":
        time.sleep(60)
