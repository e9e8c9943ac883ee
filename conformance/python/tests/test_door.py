"""The door against those who knock badly: slow, huge, ambiguous, vanishing, many; and HTTP/2 and TLS for the others."""
import http.client
import json
import resource
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.calls import call, client, create, open_url
from harness.packages import python
from harness.signing import signed
from harness.wait import until

HANDLER = "def handler(event, context):\n    return event"


@pytest.fixture(scope="module")
def server(start_server, certificate):
    return start_server("", ["--tls-cert", certificate[0], "--tls-key", certificate[1]])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def echo(lam, deploy):
    return deploy(python(HANDLER), "echo")


def knock(server, said: bytes, patience=10, end=False) -> bytes:
    """Everything that the server answers to these bytes until it closes or `patience` is over."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=patience) as stream:
        stream.sendall(said)
        if end:
            stream.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while piece := stream.recv(65536):
                got += piece
        except (socket.timeout, ConnectionResetError):
            pass
        return got


HEALTH = b"GET /_lacewing/health HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("why, said, status", [
    ("two different lengths", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
    ("a length that is none", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\na", b"400"),
    ("an encoding that does not end in chunks", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", b"400"),
    ("a space before the colon", HEALTH + b"Content-Length : 3\r\n\r\n", b"400"),
    ("no protocol", b"hello there\r\n\r\n", b"400"),
    ("a head without end", HEALTH + b"X: " + b"y" * 300_000, b"431"),
    ("too many headers", HEALTH + b"".join(b"X-%d: y\r\n" % n for n in range(300)) + b"\r\n", b"431"),
    ("a target without end", b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n", b"414"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_could_be_read_in_two_ways_is_refused(server, why, said, status):
    got = knock(server, said, patience=5)
    assert got[9:12] in (status, b"431"), got[:200]
    assert got.count(b"HTTP/1.1 ") == 1, "one request, one answer"


@pytest.mark.parametrize("lengths", [b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Content-Length: 5\r\nTransfer-Encoding: chunked"])
def test_a_length_beside_chunks_hides_no_request(server, lengths):
    """Chunks win, and the connection ends with the answer: what stands behind is never a second request."""
    got = knock(server, b"POST /x HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n\r\n0\r\n\r\n" + HEALTH + b"\r\n", patience=5)
    assert got.startswith(b"HTTP/1.1 40") and got.count(b"HTTP/1.1 ") == 1 and b"connection: close" in got, got


def test_bad_chunks_end_the_connection(server, lam, echo):
    request = signed(server, "POST", f"/2015-03-31/functions/{echo}/invocations", b"")
    head = f"POST /2015-03-31/functions/{echo}/invocations HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    head += "".join(f"{k}: {v}\r\n" for k, v in request.headers.items() if k.lower() not in ("host", "content-length"))
    got = knock(server, head.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", patience=5)
    assert got == b"" or got[9:12] == b"400"
    assert call(lam, echo, 1).value == 1


def test_slow_clients_hold_nobody_up(server, lam, echo):
    """Two hundred that send half a head, a hundred that send half a body; a call meanwhile is as quick as ever."""
    call(lam, echo, 1)
    slow = []
    try:
        for n in range(300):
            stream = socket.create_connection(("127.0.0.1", server.port))
            stream.sendall(HEALTH if n % 3 else b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
            slow.append(stream)
        began = time.monotonic()
        assert call(lam, echo, {"n": 2}).value == {"n": 2}
        assert time.monotonic() - began < 2
    finally:
        for stream in slow:
            stream.close()


def test_five_hundred_that_vanish_leave_service_as_it_was(server, lam, echo):
    request = signed(server, "POST", f"/2015-03-31/functions/{echo}/invocations", json.dumps({"a": "b" * 1000}).encode())
    path = request.url.split("/", 3)[3]
    said = f"POST /{path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    said += "".join(f"{k}: {v}\r\n" for k, v in request.headers.items() if k.lower() != "host") + "\r\n"
    said = said.encode() + request.body

    def vanish(n):
        with socket.create_connection(("127.0.0.1", server.port)) as stream:
            stream.sendall(said[:1 + n % len(said)])
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(vanish, range(0, 500 * 7, 7)))
    assert call(lam, echo, {"n": 3}).value == {"n": 3}
    open_now = lambda: len([line for line in open("/proc/net/tcp") if line.split()[1].endswith(f":{server.port:04X}")
                            and line.split()[3] == "01"])
    until(lambda: open_now() < 50, 15, lambda: f"{open_now()} connections are still held")


def test_a_flood_of_connections_is_bounded_and_leaves_room(own_server):
    """Four thousand that hold a connection and say nothing: calls go on. More than may be wait, and come in as others go."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most[1], 16_384), most[1]))
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 5_000:
        pytest.skip("too few descriptors for a flood")
    flooded = own_server().start()
    lam, held = client(flooded, pool=1), []
    create(lam, "echo", python(HANDLER))
    try:
        for _ in range(4_000):
            held.append(socket.create_connection(("127.0.0.1", flooded.port)))
        assert call(lam, "echo", {"n": 4}).value == {"n": 4}
        for _ in range(150):
            held.append(socket.create_connection(("127.0.0.1", flooded.port)))
        late = held[-1]
        late.sendall(HEALTH + b"Connection: close\r\n\r\n")
        for stream in held[:200]:
            stream.close()
        late.settimeout(30)
        assert late.recv(100).startswith(b"HTTP/1.1 200 OK")
    finally:
        for stream in held:
            stream.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    assert call(lam, "echo", {"n": 5}).value == {"n": 5}


def test_http2_without_tls(server, echo):
    """By prior knowledge, as curl does it: the whole exchange, signed API call included."""
    body = b'{"by":"h2"}'
    request = signed(server, "POST", f"/2015-03-31/functions/{echo}/invocations", body)
    words = ["curl", "-sS", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}", "--data-binary", "@-", request.url]
    for name, value in request.headers.items():
        if name.lower() != "content-length":
            words += ["-H", f"{name}: {value}"]
    got = subprocess.run(words, input=body, capture_output=True)
    if b"does not support" in got.stderr or got.returncode in (1, 2):
        pytest.skip("this curl speaks no HTTP/2")
    answer, _, tail = got.stdout.decode().rpartition("\n")
    assert tail == "2 200" and json.loads(answer) == {"by": "h2"}, got


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_tls_on_the_same_port(server, certificate, protocol):
    context = ssl.create_default_context(cafile=certificate[0])
    context.set_alpn_protocols([protocol])
    with socket.create_connection(("127.0.0.1", server.port)) as plain, context.wrap_socket(plain, server_hostname="localhost") as stream:
        assert stream.selected_alpn_protocol() == protocol and stream.version() == "TLSv1.3"
        if protocol == "http/1.1":
            stream.sendall(HEALTH + b"Connection: close\r\n\r\n")
            assert stream.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_a_function_is_told_of_the_encryption(server, lam, certificate, deploy):
    name = deploy(python(HANDLER))
    host = lam.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"].split("/")[2]
    open_url(lam, FunctionName=name)
    context = ssl.create_default_context(cafile=certificate[0])
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
    connection.request("GET", "/", headers={"Host": host})
    headers = json.loads(connection.getresponse().read())["headers"]
    assert headers["x-forwarded-proto"] == "https" and headers["x-amzn-tls-version"] == "TLSv1.3"
    assert headers["x-amzn-tls-cipher-suite"].startswith("TLS_")


def test_a_bad_certificate_is_refused_at_the_start(tmp_path):
    from harness.server import BINARY
    (tmp_path / "bad.pem").write_text("nonsense")
    got = subprocess.run([BINARY, "serve", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0",
                          "--tls-cert", str(tmp_path / "bad.pem"), "--tls-key", str(tmp_path / "bad.pem")],
                         capture_output=True, text=True, timeout=30)
    assert got.returncode != 0 and "PEM" in got.stderr
