"""Who may call: every way in which a signature can be wrong, and AWS's own answer to it."""
import json
import socket

import pytest
import requests

from harness.calls import call, client, refused
from harness.packages import python
from harness.server import KEY
from harness.signing import error_type as kind
from harness.signing import send, signed

PATH = "/2015-03-31/functions/"
INVOKE = "/2015-03-31/functions/hello/invocations"


@pytest.fixture(scope="module", autouse=True)
def hello(deploy):
    return deploy(python("def handler(event, context): return event"), "hello")


def test_a_good_signature_passes_in_header_and_query(server):
    assert send(signed(server)).status_code == 200
    assert send(signed(server, query=True)).status_code == 200
    assert send(signed(server, "POST", INVOKE, b'{"a":1}')).json() == {"a": 1}
    assert send(signed(server, "POST", INVOKE, b'{"a":1}', query=True)).status_code in (200, 403)


def test_any_region_is_served_unless_told_otherwise(server):
    assert send(signed(server, region="eu-central-1")).status_code == 200


UNWELCOME = [
    ("unsigned", None, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    ("an unknown key", {"key": "AKIANOBODY0000000000"}, "UnrecognizedClientException",
     "The security token included in the request is invalid."),
    ("a wrong secret", {"secret": "not it"}, "InvalidSignatureException", "signature"),
    ("a clock six minutes behind", {"skew": -360}, "InvalidSignatureException", "Signature expired: "),
    ("a clock six minutes ahead", {"skew": 360}, "InvalidSignatureException", "Signature not yet current: "),
    ("another service's scope", {"service": "s3"}, None, ""),
    ("a session token that nobody gave", {"token": "made up"}, "UnrecognizedClientException",
     "The security token included in the request is invalid."),
    ("a query that has expired", {"query": True, "expires": 1, "skew": -120}, None, ""),
    ("a query with a wrong secret", {"query": True, "secret": "not it"}, "InvalidSignatureException", ""),
    ("a query with an unknown key", {"query": True, "key": "AKIANOBODY0000000000"}, "UnrecognizedClientException", ""),
]


@pytest.mark.parametrize("why, how, error, text", UNWELCOME, ids=[row[0] for row in UNWELCOME])
def test_nobody_else_comes_in(server, why, how, error, text):
    answer = requests.get(server.url + PATH, timeout=10) if how is None else send(signed(server, **how))
    assert answer.status_code == 403, answer.text
    assert error is None or kind(answer) == error, answer.text
    body = answer.json()
    assert text in (body.get("message") or body.get("Message"))
    assert "Functions" not in body


def test_clocks_may_differ_by_four_minutes(server):
    for skew in (-240, 240):
        assert send(signed(server, skew=skew)).status_code == 200


def test_what_is_changed_after_signing_is_noticed(server):
    body = b'{"amount":1}'
    assert send(signed(server, "POST", INVOKE, body)).status_code == 200
    assert kind(send(signed(server, "POST", INVOKE, body), b'{"amount":9}')) == "InvalidSignatureException"
    for change in (lambda r: setattr(r, "url", r.url.replace("hello", "other")),
                   lambda r: setattr(r, "url", r.url + "?Qualifier=1"),
                   lambda r: setattr(r, "url", r.url.replace("/invocations", "")) or setattr(r, "method", "DELETE"),
                   lambda r: r.headers.update({"X-Amz-Date": "20260102T030405Z"}),
                   lambda r: r.headers.update({"Host": "127.0.0.1:1"})):
        prepared = signed(server, "POST", INVOKE, body)
        change(prepared)
        answer = send(prepared)
        assert answer.status_code == 403 and kind(answer) == "InvalidSignatureException", answer.text


MALFORMED = [
    "", "Bearer token", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x",
    f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=",
    f"AWS4-HMAC-SHA256 Credential={KEY}, SignedHeaders=host, Signature=00",
    "AWS4-HMAC-SHA256 " + "Credential=" * 2000,
]


@pytest.mark.parametrize("header", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_header_is_refused_not_fatal(server, header):
    answer = requests.get(server.url + PATH, headers={"Authorization": header, "X-Amz-Date": "20260101T000000Z"}, timeout=10)
    assert answer.status_code in (403, 400, 431) and server.is_up
    assert answer.status_code != 403 or kind(answer) in (
        "IncompleteSignatureException", "MissingAuthenticationTokenException", "InvalidSignatureException",
        "UnrecognizedClientException")


def test_an_unsigned_body_is_not_read(server):
    """A refusal comes at once though the announced 60 MB never do."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"POST {INVOKE} HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: 60000000\r\n\r\n".encode())
        assert b" 403 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_body_over_the_limit_is_refused_before_it_is_read(server):
    prepared = signed(server, "POST", INVOKE, b"{}")
    head = "".join(f"{name}: {value}\r\n" for name, value in prepared.headers.items() if name.lower() != "content-length")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"POST {INVOKE} HTTP/1.1\r\nHost: {server.address}\r\n{head}Content-Length: 999999999\r\n\r\n".encode())
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_only_health_answers_the_unsigned(server):
    assert requests.get(server.url + "/_lacewing/health", timeout=10).status_code == 200
    for path in ("/", "/_lacewing/cost", "/_lacewing/doctor", "/2015-03-31/functions/hello", "/nonsense"):
        assert requests.get(server.url + path, timeout=10).status_code == 403, path


def test_a_path_that_is_no_operation(server):
    answer = send(signed(server, path="/2015-03-31/nonsense"))
    assert answer.status_code == 403 and "Unable to determine service/operation name" in answer.text


def test_strict_region_refuses_others(start_server):
    strict = start_server(arguments=["--strict-region"])
    assert client(strict).list_functions()["Functions"] == []
    assert refused(client(strict, region="eu-west-1").list_functions)[0] == 403


def test_the_key_of_the_first_start_is_kept_and_private(start_server, server):
    """Without --root-key the data dir's own key rules, in a file that only its owner reads."""
    files = [path for path in server.data.rglob("*") if path.is_file() and "key" in path.name.lower()]
    for path in files:
        assert path.stat().st_mode & 0o077 == 0, f"{path} is readable by others"


def test_errors_are_small_json_with_the_id_of_the_request(server):
    answer = requests.get(server.url + PATH, timeout=10)
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-amzn-requestid"] and len(answer.content) < 2000
    json.loads(answer.content)


def test_a_call_still_works_after_all_that(lam):
    assert call(lam, "hello", {"still": "here"}).value == {"still": "here"}
