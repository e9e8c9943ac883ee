"""Functions reach the services of AWS that the platform has not where their operator says that they are."""
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.calls import call, client, create
from harness.packages import NODE, package, python, with_boto3

PYTHON_ASKS = """
import os, socket
import boto3

def handler(event, context):
    def asks(service, operation, **arguments):
        try:
            return getattr(boto3.client(service), operation)(**arguments)
        except Exception as error:
            return getattr(error, "response", {"Error": {"Code": repr(error)}})["Error"]["Code"]
    if event["do"] == "environment":
        return sorted(name for name in os.environ if "ENDPOINT" in name)
    if event["do"] == "ports":
        said = {}
        for where in event["where"]:
            try:
                with socket.create_connection(tuple(where), timeout=5) as there:
                    there.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                    said[str(where)] = len(there.recv(100)) > 0
            except OSError:
                said[str(where)] = False
        return said
    if event["do"] == "whoami":
        return asks("sts", "get_caller_identity")["Account"]
    if event["do"] == "object":
        return asks("s3", "get_object", Bucket="a-bucket", Key="a/key")["Body"].read().decode()
    return asks("stepfunctions", "start_sync_execution", stateMachineArn=
                "arn:aws:states:us-east-1:000000000000:express:none:none:none")
"""

PACKAGE = with_boto3({"app.py": PYTHON_ASKS}, services=("s3", "stepfunctions", "sts"))


class StandIn(BaseHTTPRequestHandler):
    """Says what it was asked for, and that it does not know it."""
    SEEN = []

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.SEEN.append(((self.headers["Host"] or "").split(":")[0], self.path, self.headers.get("Authorization", "")))
        found = self.path.startswith("/a-bucket/a/key")
        body = b"an object" if found else b'{"__type": "StateMachineDoesNotExist"}'
        self.send_response(200 if found else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_HEAD = answer

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def stand_in():
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture(scope="module")
def lam(start_server, stand_in):
    return client(start_server(environment={"AWS_ENDPOINT_URL": f"http://localhost:{stand_in}"}))


@pytest.fixture(scope="module")
def asks(lam):
    create(lam, "asks", PACKAGE, Timeout=30, MemorySize=512)
    return lambda do, **more: call(lam, "asks", {"do": do, **more})


def test_objects_have_their_bucket_in_the_path(asks):
    answer = asks("object")
    assert answer.value == "an object", answer.log
    host, _, signature = StandIn.SEEN[-1]
    assert host == "192.0.2.1" and "/s3/aws4_request" in signature


def test_operations_with_a_word_before_the_host_find_it_too(asks):
    answer = asks("start")
    assert answer.value == "StateMachineDoesNotExist", answer.log
    assert StandIn.SEEN[-1][0] == "sync-aws.lacewing.internal"


def test_what_the_platform_has_itself_is_asked_here(asks):
    seen = len(StandIn.SEEN)
    assert asks("whoami").value == "000000000000"
    assert len(StandIn.SEEN) == seen


def test_the_environment_is_still_lambdas(asks):
    assert asks("environment").value == []


def test_one_port_is_open_and_no_other(asks, stand_in):
    """Neither another port of the host's loopback behind the same address, nor the loopback itself."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        where = [["192.0.2.1", stand_in], ["192.0.2.1", port], ["127.0.0.1", stand_in], ["192.0.2.2", stand_in]]
        assert list(asks("ports", where=where).value.values()) == [True, False, False, False]


@pytest.mark.skipif(not NODE, reason="no node on this machine")
def test_javascript_reads_the_same_configuration(lam):
    read = """
        exports.handler = async () => require("fs").readFileSync(require("os").homedir() + "/.aws/config", "utf8");
    """
    create(lam, "reads", package({"index.js": read}), NODE, "index.handler")
    assert "endpoint_url = http://aws.lacewing.internal:" in call(lam, "reads").value


def test_a_function_without_egress_reaches_nothing(lam, stand_in):
    create(lam, "alone", PACKAGE, Timeout=30, MemorySize=512, Tags={"lacewing:egress": "none"})
    said = call(lam, "alone", {"do": "ports", "where": [["192.0.2.1", stand_in]]}).value
    assert list(said.values()) == [False]


def test_an_operator_may_keep_them_from_functions(start_server, stand_in):
    lam = client(start_server("[aws]\nfor_functions = false\n", environment={"AWS_ENDPOINT_URL": f"http://localhost:{stand_in}"}))
    create(lam, "kept-out", python(PYTHON_ASKS.replace("import boto3", "")), Timeout=30)
    said = call(lam, "kept-out", {"do": "ports", "where": [["192.0.2.1", stand_in]]}).value
    assert list(said.values()) == [False]
