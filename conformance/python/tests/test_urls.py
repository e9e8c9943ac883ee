"""Function URLs: payload 2.0 both ways, who may call, CORS, streamed replies, and every refusal."""
import base64
import http.client
import json
import time
import uuid

import pytest
import requests

from harness.calls import client, create, open_url, refused
from harness.packages import NODE, package, python
from harness.signing import send, signed
from harness.wait import until

needs_node = pytest.mark.skipif(not NODE, reason="no node on this machine")

ECHO = """
    import json
    def handler(event, context):
        if event.get("rawPath") == "/say":
            return json.loads(event["body"])
        if event.get("rawPath") == "/fail":
            raise ValueError("no")
        return event
    """


def public(lam, name, alias=None, mode="BUFFERED", auth="NONE", **more):
    """Gives a function a URL that anybody may call; returns host and port."""
    where = {"FunctionName": name, **({"Qualifier": alias} if alias else {})}
    url = lam.create_function_url_config(AuthType=auth, InvokeMode=mode, **where, **more)["FunctionUrl"]
    if auth == "NONE":
        open_url(lam, **where)
    return url.split("/")[2]


class Url:
    """Requests to a host that no resolver knows, over the server's own port."""
    def __init__(self, server, host):
        self.server, self.host = server, host

    def __call__(self, method="GET", path="/", body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", self.host)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse()

    def json(self, *arguments, **more):
        reply = self(*arguments, **more)
        text = reply.read()
        assert reply.status == 200, (reply.status, text)
        return json.loads(text)

    def say(self, answer):
        """The reply that this answer of the function becomes."""
        return self("POST", "/say", json.dumps(answer).encode(), [("Content-Type", "application/json")])


@pytest.fixture(scope="module")
def echo(server, lam, deploy):
    return Url(server, public(lam, deploy(python(ECHO), "echo")))


def test_the_event_has_every_detail(echo):
    event = echo.json("POST", "/pa2%Fth/1?a=1&b=x%20y&a=2", b"hi", [
        ("Content-Type", "text/plain"), ("X-Many", "1"), ("X-Many", "2"), ("Cookie", "a=b; c=d"), ("User-Agent", "me")])
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/pa2%Fth/1")
    assert event["rawQueryString"] == "a=1&b=x%20y&a=2" and event["queryStringParameters"] == {"a": "1,2", "b": "x y"}
    assert event["cookies"] == ["a=b", "c=d"] and "cookie" not in event["headers"]
    assert event["headers"]["x-many"] == "1,2" and event["headers"]["host"] == echo.host
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1" and event["headers"]["x-forwarded-proto"] == "http"
    assert (event["body"], event["isBase64Encoded"]) == ("hi", False)
    context = event["requestContext"]
    prefix = echo.host.split(".")[0]
    assert (context["accountId"], context["apiId"], context["domainPrefix"]) == ("anonymous", prefix, prefix)
    assert context["domainName"] == echo.host and len(prefix) == 32
    assert context["http"] == {"method": "POST", "path": "/pa2%Fth/1", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "me"}
    assert abs(context["timeEpoch"] / 1000 - time.time()) < 60
    assert time.strptime(context["time"], "%d/%b/%Y:%H:%M:%S +0000")


@pytest.mark.parametrize("content_type, body, want, encoded", [
    ("application/json", b"{}", "{}", False),
    ("application/x-www-form-urlencoded", b"a=b", base64.b64encode(b"a=b").decode(), True),
    (None, b"\x00\xff", base64.b64encode(b"\x00\xff").decode(), True),
])
def test_bodies_are_text_or_base64(echo, content_type, body, want, encoded):
    event = echo.json("PUT", "/", body, [("Content-Type", content_type)] if content_type else [])
    assert (event["body"], event["isBase64Encoded"]) == (want, encoded)


def test_a_plain_request_has_no_empty_fields(echo):
    event = echo.json()
    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & set(event)
    assert event["isBase64Encoded"] is False and "authorizer" not in event["requestContext"]


@pytest.mark.parametrize("answer, status, content_type, body", [
    ({"a": 1}, 200, "application/json", b'{"a": 1}'),
    ([1], 200, "application/json", b"[1]"),
    ("bare", 200, "application/json", b"bare"),
    ({"statusCode": "418", "body": "tea", "headers": {"Content-Type": "text/plain"}}, 418, "text/plain", b"tea"),
    ({"statusCode": 200, "body": "AAE=", "isBase64Encoded": True}, 200, "application/json", b"\x00\x01"),
    ({"statusCode": 200, "body": {"a": 1}}, 200, "application/json", b'{"a":1}'),
    ({"statusCode": "no"}, 502, "application/json", b"Internal Server Error"),
    ({"statusCode": 200, "headers": {"a": "b\r\nSet-Cookie: stolen=1"}}, 502, "application/json", b"Internal Server Error"),
])
def test_answers_are_inferred(echo, answer, status, content_type, body):
    reply = echo.say(answer)
    assert (reply.status, reply.getheader("content-type"), reply.read()) == (status, content_type, body)
    assert reply.getheader("set-cookie") is None


def test_cookies_and_headers_reach_the_client(echo):
    reply = echo.say({"statusCode": 302, "headers": {"Location": "/x", "X-Number": 5, "Content-Length": "999"},
                      "cookies": ["a=b; Secure", "c=d"]})
    assert reply.status == 302 and reply.getheader("location") == "/x" and reply.getheader("x-number") == "5"
    assert reply.msg.get_all("set-cookie") == ["a=b; Secure", "c=d"]
    assert reply.getheader("x-amzn-remapped-content-length") == "999" and reply.read() == b""
    assert reply.getheader("x-amzn-requestid") and reply.getheader("x-amzn-trace-id").startswith("Root=1-")


def test_a_failing_function_is_a_bad_gateway(echo):
    reply = echo("GET", "/fail")
    assert (reply.status, reply.read()) == (502, b"Internal Server Error")


def test_refusals(server, lam, deploy, echo):
    unknown = Url(server, "a" * 32 + ".lambda-url.us-east-1.localhost")()
    assert (unknown.status, json.loads(unknown.read())) == (403, {"Message": None})
    assert unknown.getheader("x-amzn-errortype") == "AccessDeniedException"
    name = deploy(python(ECHO))
    private = Url(server, lam.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"].split("/")[2])
    reply = private()
    assert reply.status == 403 and json.loads(reply.read())["Message"].startswith("Forbidden. For troubleshooting")
    lam.add_permission(FunctionName=name, StatementId="s", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert private().status == 200, "the permission is in force at once"
    lam.delete_function_url_config(FunctionName=name)
    assert private().status == 403
    large = echo("POST", "/", b"x" * (6 * 1024 * 1024 + 1))
    assert large.status == 413


def test_an_alias_has_a_url_of_its_own(server, lam, deploy):
    name = deploy(python(ECHO))
    lam.publish_version(FunctionName=name)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    url = Url(server, public(lam, name, alias="live"))
    assert url.json()["requestContext"]["domainPrefix"] == url.host.split(".")[0]


@pytest.mark.parametrize("tag", ["lacewing:url-id", "_custom_id_"])
def test_a_function_chooses_the_id_of_its_url_by_a_tag(server, lam, deploy, tag):
    chosen = f"shop-{uuid.uuid4().hex[:6]}"
    name, rival = deploy(python(ECHO), Tags={tag: chosen}), deploy(python(ECHO), Tags={tag: chosen})
    lam.publish_version(FunctionName=name)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for alias, prefix in [(None, chosen), ("live", f"{chosen}-live")]:
        url = Url(server, public(lam, name, alias=alias))
        assert url.host.startswith(f"{prefix}.lambda-url.")
        assert url.json()["requestContext"]["domainPrefix"] == prefix
    status, kind, text = refused(lam.create_function_url_config, FunctionName=rival, AuthType="NONE")
    assert (status, kind) == (409, "ResourceConflictException") and chosen in text
    lam.delete_function(FunctionName=name)
    assert Url(server, public(lam, rival)).json()["requestContext"]["domainPrefix"] == chosen


def test_an_id_that_no_host_can_have_is_refused(lam, deploy):
    name = deploy(python(ECHO), Tags={"lacewing:url-id": "Not_A_Host"})
    status, kind, text = refused(lam.create_function_url_config, FunctionName=name, AuthType="NONE")
    assert (status, kind) == (400, "InvalidParameterValueException") and "Not_A_Host" in text


def test_signed_urls_take_signed_requests_only(server, lam, deploy):
    name = deploy(python(ECHO))
    host = public(lam, name, auth="AWS_IAM")
    assert Url(server, host)().status == 403

    def ask(secret=None):
        more = {"secret": secret} if secret else {}
        request = signed(server, "POST", "/a?b=c", b"{}", headers={"Host": host, "Content-Type": "application/json"}, **more)
        return requests.request("POST", f"{server.url}/a?b=c", headers=dict(request.headers) | {"Host": host}, data=b"{}", timeout=30)

    event = ask().json()
    iam = event["requestContext"]["authorizer"]["iam"]
    assert event["requestContext"]["accountId"] == iam["accountId"] == "000000000000"
    assert iam["accessKey"] and iam["userArn"].startswith("arn:aws:iam::") and iam["cognitoIdentity"] is None
    assert ask(secret="wrong").status_code == 403


def test_cors_is_the_platforms_affair(server, lam, deploy):
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x-a"],
            "ExposeHeaders": ["x-b"], "MaxAge": 60, "AllowCredentials": True}
    url = Url(server, public(lam, deploy(python(ECHO)), Cors=cors))
    asks = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "PUT")]
    reply = url("OPTIONS", "/fail", headers=asks)
    assert reply.status == 200 and reply.getheader("access-control-allow-origin") == "https://a.example"
    assert reply.getheader("access-control-allow-methods") == "GET,PUT" and reply.getheader("access-control-max-age") == "60"
    stranger = url("OPTIONS", "/", headers=[("Origin", "https://b.example"), asks[1]])
    assert stranger.getheader("access-control-allow-origin") is None
    got = url("GET", "/", headers=asks[:1])
    assert got.status == 200 and got.getheader("access-control-expose-headers") == "x-b"
    assert got.getheader("access-control-allow-credentials") == "true"


STREAM = """
    const { setTimeout: sleep } = require('timers/promises');
    exports.handler = awslambda.streamifyResponse(async (event, out) => {
        const what = event.queryStringParameters ?? {};
        if (what.prelude) {
            out = awslambda.HttpResponseStream.from(out, {
                statusCode: 201, headers: { 'Content-Type': 'text/plain', 'X-A': 'b' }, cookies: ['c=d'] });
        }
        if (what.bad) { out.setContentType('application/vnd.awslambda.http-integration-response'); out.write('nonsense'); return out.end(); }
        out.write('first ');
        await sleep(Number(what.pause ?? 0));
        if (what.fail) throw new Error('mid');
        out.end('last');
    });
    """


@needs_node
def test_a_streaming_url_sends_bytes_as_they_are_written(server, lam, deploy):
    name = deploy(package({"index.js": STREAM}), runtime=NODE, handler="index.handler")
    url = Url(server, public(lam, name, mode="RESPONSE_STREAM"))
    url().read()
    reply = url("GET", "/?prelude=1&pause=1200")
    assert (reply.status, reply.getheader("content-type"), reply.getheader("x-a"), reply.getheader("set-cookie")) == \
        (201, "text/plain", "b", "c=d")
    began = time.monotonic()
    assert reply.read(6) == b"first " and time.monotonic() - began < 0.6
    assert reply.read() == b"last" and time.monotonic() - began > 0.8
    plain = url()
    assert (plain.status, plain.getheader("content-type"), plain.read()) == (200, "application/octet-stream", b"first last")
    assert url("GET", "/?bad=1").status == 502
    broken = url("GET", "/?fail=1&pause=50")
    assert broken.status == 200
    with pytest.raises(http.client.IncompleteRead):
        broken.read()


def test_a_plain_answer_on_a_streaming_url_is_not_interpreted(server, lam, deploy):
    url = Url(server, public(lam, deploy(python(ECHO)), mode="RESPONSE_STREAM"))
    reply = url.say({"statusCode": 418, "body": "tea"})
    assert (reply.status, json.loads(reply.read())) == (200, {"statusCode": 418, "body": "tea"})


def test_a_url_is_gone_with_its_function(server, lam):
    create(lam, "short-lived", python(ECHO))
    url = Url(server, public(lam, "short-lived"))
    assert url().status == 200
    lam.delete_function(FunctionName="short-lived")
    until(lambda: url().status == 403)


def test_the_event_the_reply_and_the_log_name_one_request(server, lam, deploy, logs):
    name = deploy(python("def handler(event, context):\n"
                         "    return [event['requestContext']['requestId'], context.aws_request_id]\n"))
    reply = Url(server, public(lam, name))()
    told, seen = json.loads(reply.read())
    assert told == seen == reply.getheader("x-amzn-requestid")
    lines = [event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]
    assert any(line.startswith(f"REPORT RequestId: {told}") for line in lines)


def test_a_throttled_url_says_so_in_the_apis_words(server, lam, deploy):
    name = deploy(python(ECHO))
    url = Url(server, public(lam, name))
    assert url().status == 200
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    reply = url()
    body = json.loads(reply.read())
    assert (reply.status, body["Reason"]) == (429, "ReservedFunctionConcurrentInvocationLimitExceeded")
    assert reply.getheader("x-amzn-errortype") == "TooManyRequestsException" and reply.getheader("retry-after")
    lam.delete_function_concurrency(FunctionName=name)
    assert url().status == 200, "a URL is switched on again"


@pytest.fixture(scope="module")
def elsewhere(start_server):
    return start_server("[urls]\ndomain = \"functions.example.org\"\nby_path = true\n[streaming]\nbytes_per_second = 1\n")


def test_urls_are_shown_below_the_domain_that_was_configured(elsewhere):
    lam = client(elsewhere)
    create(lam, "f", python(ECHO))
    host = public(lam, "f")
    assert host.split(":")[0].endswith(".lambda-url.us-east-1.functions.example.org")
    assert Url(elsewhere, host).json()["requestContext"]["domainName"] == host


def test_a_url_is_served_by_path_where_it_was_configured(elsewhere, server, lam, deploy):
    there = client(elsewhere)
    create(there, "g", python(ECHO))
    id = public(there, "g").split(".")[0]
    event = Url(elsewhere, "example.org").json("GET", f"/_lacewing/urls/{id}/a%2Fb?x=1")
    assert (event["rawPath"], event["rawQueryString"]) == ("/a%2Fb", "x=1")
    assert event["requestContext"]["apiId"] == id and event["requestContext"]["domainName"] == "example.org"
    # Signed, the signature is of the path that was asked for.
    there.update_function_url_config(FunctionName="g", AuthType="AWS_IAM")
    request = signed(elsewhere, "GET", f"/_lacewing/urls/{id}/x")
    reply = send(request)
    assert reply.status_code == 200 and reply.json()["rawPath"] == "/x", reply.text
    # Nobody has asked for it on the other server.
    id = public(lam, deploy(python(ECHO))).split(".")[0]
    assert requests.get(f"{server.url}/_lacewing/urls/{id}/").status_code in (403, 404)


@needs_node
def test_a_stream_keeps_to_the_pace_that_was_configured(elsewhere):
    """At a byte a second nothing beyond the free 6 MiB comes before the function's time is over."""
    lam = client(elsewhere)
    source = """exports.handler = awslambda.streamifyResponse(async (event, out) => {
        for (let i = 0; i < 8; i++)
            if (!out.write(Buffer.alloc(1 << 20, 'x'))) await new Promise((done) => out.once('drain', done));
        out.end();
    });"""
    create(lam, "flows", package({"index.js": source}), runtime=NODE, handler="index.handler", Timeout=1)
    events = list(lam.invoke_with_response_stream(FunctionName="flows")["EventStream"])
    total = sum(len(event["PayloadChunk"]["Payload"]) for event in events if "PayloadChunk" in event)
    assert 5 << 20 < total <= 6 << 20
    assert json.loads(events[-1]["InvokeComplete"]["ErrorDetails"])["errorType"] == "Sandbox.Timedout"
