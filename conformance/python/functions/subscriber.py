#!/usr/bin/env python3
"""An external extension that subscribes to telemetry, and keeps what it gets in /tmp/telemetry, one event a line."""
import http.server
import json
import os
import socketserver
import sys
import threading
import urllib.error
import urllib.request

API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"]
HOW = json.loads(os.environ.get("SUBSCRIBE", "{}"))


def ask(path, body=None, method=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(API + path, data=data, headers=headers, method=method)) as answer:
            return answer.status, answer.headers, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())


def keep(events):
    with open("/tmp/telemetry", "a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


class ByHttp(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        keep(events)
        if HOW.get("say"):
            kinds = [event["type"] for event in events]
            print("GOT", json.dumps(kinds), flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        pass


class ByLines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            keep([json.loads(line)])


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


serving = Server(("sandbox.localdomain", 8765), ByLines if HOW.get("tcp") else ByHttp)
threading.Thread(target=serving.serve_forever, daemon=True).start()
_, head, _ = ask("/2020-01-01/extension/register", {"events": ["INVOKE", "SHUTDOWN"]},
                 Lambda_Extension_Name=os.path.basename(__file__))
me = {"Lambda-Extension-Identifier": head["Lambda-Extension-Identifier"]}
destination = ({"protocol": "TCP", "port": 8765} if HOW.get("tcp")
               else {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8765"})
body = {"schemaVersion": HOW.get("schema", "2022-12-13"), "types": HOW.get("types", ["platform", "function", "extension"]),
        "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25}, "destination": destination}
path = HOW.get("path", "/2022-07-01/telemetry")
answers = [ask(path, {**body, "types": []}, "PUT", **me), ask(path, body, "PUT"), ask(path, body, "PUT", **me)]
with open("/tmp/answers", "w") as file:
    json.dump([[status, said] for status, _, said in answers], file)
print("an extension's line", flush=True)
while True:
    _, _, event = ask("/2020-01-01/extension/event/next", **me)
    if event["eventType"] == "SHUTDOWN":
        sys.exit(0)
