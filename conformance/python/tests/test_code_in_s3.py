"""Code that lies in an object store: fetched with the keys that the server was given."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.calls import call, client, refused, settled
from harness.packages import PYTHON, ROLE, python
from harness.server import KEY

ERROR = "<?xml version='1.0'?><Error><Code>%s</Code><Message>%s</Message></Error>"


def says(word):
    return python(f"def handler(event, context):\n    return {word!r}\n")


class Store(BaseHTTPRequestHandler):
    """As much of S3 as a `GetObject` meets."""
    OBJECTS = {("/code/f.zip", None): says("one"), ("/shared/f.zip", None): says("one"),
               ("/code/f.zip", "v2"): says("two"), ("/code/a%20b%2B.zip", None): says("odd")}

    def do_GET(self):
        url = urlsplit(self.path)
        version = parse_qs(url.query).get("versionId", [None])[0]
        owner = KEY if url.path.startswith("/shared/") else "the-key"
        if f"Credential={owner}/" not in self.headers.get("Authorization", ""):
            return self.answer(403, ERROR % ("AccessDenied", "Access Denied"))
        if not url.path.startswith(("/code/", "/shared/")):
            return self.answer(404, ERROR % ("NoSuchBucket", "The specified bucket does not exist"))
        found = self.OBJECTS.get((url.path, version))
        return self.answer(200, found) if found else self.answer(
            404, ERROR % ("NoSuchKey", "The specified key does not exist."))

    def answer(self, status, body):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def store():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def lam(start_server, store):
    return client(start_server(environment={
        "AWS_ENDPOINT_URL_S3": store, "AWS_ACCESS_KEY_ID": "the-key", "AWS_SECRET_ACCESS_KEY": "the-secret"}))


def create(lam, name, **code):
    lam.create_function(FunctionName=name, Runtime=PYTHON, Handler="app.handler", Role=ROLE, Code=code)
    settled(lam, name)


def test_a_function_is_made_and_changed_from_objects(lam):
    create(lam, "f", S3Bucket="code", S3Key="f.zip")
    assert call(lam, "f").value == "one"
    lam.update_function_code(FunctionName="f", S3Bucket="code", S3Key="f.zip", S3ObjectVersion="v2")
    settled(lam, "f")
    assert call(lam, "f").value == "two"
    create(lam, "odd", S3Bucket="code", S3Key="a b+.zip")
    assert call(lam, "odd").value == "odd"


@pytest.mark.parametrize("bucket, key, code, message", [
    ("code", "none.zip", "NoSuchKey", "The specified key does not exist."),
    ("nowhere", "f.zip", "NoSuchBucket", "The specified bucket does not exist"),
])
def test_what_is_not_there_is_told_in_the_stores_words(lam, bucket, key, code, message):
    status, kind, text = refused(create, lam, "missing", S3Bucket=bucket, S3Key=key)
    assert (status, kind) == (400, "InvalidParameterValueException")
    assert text == f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    assert refused(lam.get_function, FunctionName="missing")[0] == 404


def test_a_store_that_does_not_answer_is_named(start_server):
    lam = client(start_server('[aws]\nendpoint_url_s3 = "http://127.0.0.1:1"\n'))
    status, kind, text = refused(create, lam, "f", S3Bucket="code", S3Key="f.zip")
    assert (status, kind) == (400, "InvalidParameterValueException") and "AWS_ENDPOINT_URL_S3" in text


def test_services_side_by_side_share_their_keys(start_server, store):
    """A store of one's own is asked with the server's fixed root key where no other keys are given."""
    lam = client(start_server(environment={"AWS_ENDPOINT_URL": store}))
    create(lam, "f", S3Bucket="shared", S3Key="f.zip")
    assert call(lam, "f").value == "one"
    assert "S3 Error Code: AccessDenied." in refused(create, lam, "g", S3Bucket="code", S3Key="f.zip")[2]
