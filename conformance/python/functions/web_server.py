"""A web server as people write one, of the standard library alone: what a web function runs unmodified."""
import base64
import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GATES = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        route = getattr(self, "get_" + self.path.split("?")[0].strip("/").replace("/", "_"), None)
        if route:
            return route()
        self.say(404, b"nothing here")

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def say(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        """The request's body, piece by piece."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers.get("Content-Length", 0))
            while left and (piece := self.rfile.read1(min(left, 65536))):
                left -= len(piece)
                yield piece

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def query(self, name, default=""):
        for pair in self.path.partition("?")[2].split("&"):
            key, _, value = pair.partition("=")
            if key == name:
                return value
        return default

    def get_echo(self):
        body = b"".join(self.body())
        answer = {"method": self.command, "path": self.path, "headers": dict(self.headers.items()),
                  "body": base64.b64encode(body).decode(), "client": self.client_address[0],
                  "environment": dict(os.environ), "pid": os.getpid()}
        self.say(int(self.query("status", "200")), json.dumps(answer).encode(), Content_Type="application/json",
                 Set_Cookie="a=b; Path=/", X_Own="yes")

    def get_binary(self):
        self.say(200, b"\xff" * int(self.query("bytes")))

    def get_slow(self):
        time.sleep(float(self.query("s", "1")))
        self.say(200, str(os.getpid()).encode())

    def get_together(self):
        """Answers once as many requests are here as asked for."""
        gate = GATES.setdefault(self.query("n"), threading.Barrier(int(self.query("n"))))
        gate.wait(20)
        self.say(200, b"together")

    def get_stream(self):
        """Each piece of the request's body back as soon as it came."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in self.body():
            self.chunk(piece.upper())
        self.chunk(b"")

    def get_ticks(self):
        """Server-sent events, one for each second, without an end."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for number in range(1_000):
                self.chunk(f"data: {number}\n\n".encode())
                time.sleep(0.05)
        except OSError:
            print("the client is gone", flush=True)
            self.close_connection = True

    def get_flood(self):
        """So many MiB."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(int(self.query("mib"))):
            self.chunk(bytes(1 << 20))
        self.chunk(b"")

    def get_count(self):
        self.say(200, str(sum(len(piece) for piece in self.body())).encode())

    def get_log(self):
        print("a line of", self.headers["x-amzn-requestid"])
        sys.stderr.write("an error without an end")
        sys.stderr.flush()
        self.say(200, b"logged")

    def get_crash(self):
        print("about to go", flush=True)
        os._exit(3)

    def get_hang_up(self):
        self.close_connection = True

    def get_break_off(self):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"not all")
        self.wfile.flush()
        self.close_connection = True

    def get_nonsense(self):
        self.wfile.write(b"this is no HTTP\r\n\r\n")
        self.close_connection = True

    def get_eat(self):
        held = []
        while True:
            held.append(b"x" * (8 << 20))

    def get_socket(self):
        """A WebSocket that gives every text back, in capitals."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2 or head[0] & 15 == 8:
                return
            mask, text = self.rfile.read(4), self.rfile.read(head[1] & 127)
            text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text)).upper()
            self.wfile.write(bytes([0x81, len(text)]) + text)
            self.wfile.flush()


if __name__ == "__main__":
    print("listening", flush=True)
    ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Handler).serve_forever()
