"""Lacewing's Python runtime: loads the handler, then answers one event after the other.

It speaks the Lambda Runtime API over a Unix stream that it finds open (LACEWING_DOOR_FD), or over TCP
(AWS_LAMBDA_RUNTIME_API) where there is none. An answer and the request for the next event leave in one write.

Every millisecond here is part of a cold start, so it imports next to nothing: `json`, `logging`, `socket` and
`traceback` stay out until the function's own code or a failure asks for them.
"""

import os
import sys
import time

import lacewing_context
import lacewing_json

_NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: lacewing\r\n\r\n"
_READ_BYTES = 65536

# Read by the log formatter: the invocation under way.
request_id = None
tenant_id = None


class Fault(Exception):
    """A failure that the runtime names itself."""

    def __init__(self, kind, message, trace=None):
        Exception.__init__(self, message)
        self.kind = kind
        self.message = message
        self.trace = trace


class Door:
    """The Runtime API, one connection kept open."""

    def __init__(self, fd):
        self._fd = fd
        self._data = b""

    def write(self, data):
        sent = os.write(self._fd, data)
        if sent < len(data):
            rest = memoryview(data)[sent:]
            while rest:
                rest = rest[os.write(self._fd, rest):]

    def read(self):
        """The next answer: status, headers by lower-case name, body."""
        data = self._data
        end = data.find(b"\r\n\r\n")
        while end < 0:
            data += self._more(_READ_BYTES)
            end = data.find(b"\r\n\r\n")
        headers = {}
        lines = data[:end].decode("utf-8", "replace").split("\r\n")
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        start = end + 4
        end = start + int(headers.get("content-length", 0))
        if len(data) < end:
            parts = [data]
            missing = end - len(data)
            while missing > 0:
                part = self._more(max(_READ_BYTES, min(missing, 1 << 20)))
                parts.append(part)
                missing -= len(part)
            data = b"".join(parts)
        self._data = data[end:]
        return int(lines[0].split(" ", 2)[1]), headers, data[start:end]

    def _more(self, size):
        data = os.read(self._fd, size)
        if not data:
            # The platform has closed the door: nobody is left to work for.
            sys.exit(1)
        return data

    def next(self):
        self.write(_NEXT)
        return self.read()

    def take(self, size):
        """So many bytes that are no answer."""
        data = self._data
        while len(data) < size:
            data += self._more(size - len(data))
        self._data = data[size:]
        return data[:size]

    def answer(self, invoke_id, body, content_type, then_next=True):
        """Sends a result; returns the next event."""
        head = "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: lacewing\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
        return self._send_and_next((head % (invoke_id, content_type, len(body))).encode(), body, "success")

    def fail(self, invoke_id, body, kind, cause):
        """Sends an error; returns the next event."""
        path = "invocation/%s/error" % invoke_id
        return self._send_and_next(_error_head(path, body, kind, cause), body, "failure")

    def fail_init(self, path, body, kind, cause=""):
        self.write(_error_head(path, body, kind, cause) + body)
        self.read()

    def restore_next(self):
        self.write(b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: lacewing\r\n\r\n")
        self.read()

    def _send_and_next(self, head, body, what):
        if len(body) < _READ_BYTES:
            self.write(head + body + _NEXT)
        else:
            self.write(head)
            self.write(body)
            self.write(_NEXT)
        status = self.read()[0]
        if status != 202:
            sys.stderr.write("LAMBDA_RUNTIME Failed to post handler %s response. Http response code: %d.\n" % (what, status))
        return self.read()


def _error_head(path, body, kind, cause):
    head = "POST /2018-06-01/runtime/%s HTTP/1.1\r\nHost: lacewing\r\nContent-Type: application/json\r\n" % path
    head += "Lambda-Runtime-Function-Error-Type: %s\r\n" % "".join(c if " " <= c <= "~" else "?" for c in kind)
    if cause:
        head += "Lambda-Runtime-Function-XRay-Error-Cause: %s\r\n" % cause
    return (head + "Content-Length: %d\r\n\r\n" % len(body)).encode()


def take_fd(name, kinds):
    """The descriptor that a variable names, closed to children; none where a wrapper has closed it."""
    fd = os.environ.pop(name, None)
    try:
        fd = int(fd)
        if os.fstat(fd).st_mode & 0o170000 not in kinds:
            return None
        os.set_inheritable(fd, False)
        return fd
    except (TypeError, ValueError, OSError):
        return None


def open_door():
    fd = take_fd("LACEWING_DOOR_FD", (0o140000,))  # a socket
    if fd is not None:
        if os.environ.pop("LACEWING_WAITS", None):
            import lacewing_prepared

            lacewing_prepared.await_function(fd)
        else:
            # A line break before a request means nothing in HTTP; here it says that the interpreter is up.
            os.write(fd, b"\r\n")
        return Door(fd)
    import _socket

    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    connection.connect((host, int(port)))
    connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    connection.setblocking(True)
    return Door(connection.detach())


class FrameSink:
    """Log messages with their bounds, level and time, on a pipe to the platform."""

    def __init__(self, fd):
        self._fd = fd

    def log(self, message, kind=None):
        data = message.encode("utf-8", "backslashreplace")
        stamp = int(time.time() * 1000000)
        frame = (kind or 0xA55A0003).to_bytes(4, "big") + len(data).to_bytes(4, "big") + stamp.to_bytes(8, "big") + data
        rest = memoryview(frame)
        while rest:
            rest = rest[os.write(self._fd, rest):]

    def log_error(self, lines, kind):
        self.log("\n".join(lines), kind)


class OutputSink:
    """Log messages on stdout, for a start without the pipe."""

    def log(self, message, kind=None):
        sys.stdout.write(message)

    def log_error(self, lines, kind):
        sys.stdout.write("\r".join(lines) + "\n")


def open_sink():
    fd = take_fd("_LAMBDA_TELEMETRY_LOG_FD", (0o010000, 0o100000))  # a pipe, or a file
    return OutputSink() if fd is None else FrameSink(fd)


sink = None


class LoggingHook:
    """Finds `logging` as ever, and sets it up once its module has run: whoever never logs does not pay."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        spec = None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            import lacewing_logging

            lacewing_logging.set_up(module, sink)

        spec.loader.exec_module = exec_module
        return spec


def set_paths():
    """The search path as on Lambda: the code, the layers, PYTHONPATH, the library, and last what the host has."""
    version = "python%d.%d" % sys.version_info[:2]
    task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    front = [task, "/opt/python/lib/%s/site-packages" % version, "/opt/python"]
    front += [entry for entry in os.environ.get("PYTHONPATH", "").split(":") if entry]
    here = os.path.dirname(os.path.abspath(__file__))
    if here not in front:
        front.append(here)
    library = [entry for entry in sys.path if entry and entry not in front]
    installed = ["%s/lib/%s/site-packages" % (sys.prefix, version)]
    if sys.prefix == "/usr":
        installed = ["/usr/local/lib/%s/dist-packages" % version, "/usr/lib/python3/dist-packages"]
    # boto3, as on Lambda, where this interpreter has none of its own.
    installed.append("/var/runtime/python-sdk")
    sys.path[:] = front + library + [entry for entry in installed if entry not in library and os.path.isdir(entry)]


def add_builtins():
    """What `site` would have defined: code calls `exit()`."""
    import builtins

    def leave(code=None):
        raise SystemExit(code)

    builtins.exit = builtins.quit = leave


def load(handler):
    """The function that `handler` (`dir/file.function`) names."""
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        # The words are those of a failed unpacking, which is what users know from Lambda.
        reason = "not enough values to unpack (expected 2, got 1)"
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (handler, reason))
    try:
        if module_name.split(".")[0] in sys.builtin_module_names:
            raise Fault("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
        from importlib import import_module

        module = import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        trace = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), trace)
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name))


def start(door):
    """Loads the handler; reports a failure and exits."""
    try:
        return load(os.environ["_HANDLER"])
    except Exception:
        import lacewing_errors

        lacewing_errors.end_init(door, sink, sys.exc_info())


def write_by_line():
    """A line that was printed is in the log, whatever happens next."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
        sys.stderr.reconfigure(line_buffering=True)
    else:  # Python 3.6
        import io

        sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8", line_buffering=True)
        sys.stderr = io.TextIOWrapper(sys.stderr.detach(), encoding="utf-8", line_buffering=True)


def flush():
    """A line without its end must not wait for the next invocation."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def unmarshal(body, content_type):
    if content_type != "application/json":
        return body
    try:
        return lacewing_json.loads(body)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)


def marshal(result):
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return lacewing_json.dumps(result).encode("utf-8"), "application/json"
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def run(door, handler):
    """Answers events for as long as there are any."""
    global request_id, tenant_id
    status, headers, body = door.next()
    while True:
        if status != 200:
            sys.stderr.write("LAMBDA_RUNTIME Failed to get next invocation. Http response code: %d.\n" % status)
            sys.exit(1)
        request_id = headers.get("lambda-runtime-aws-request-id")
        tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        trace = headers.get("lambda-runtime-trace-id")
        if trace is not None:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        try:
            context = lacewing_context.make(headers, sink)
            event = unmarshal(body, headers.get("content-type", "application/json"))
            result, content_type = marshal(handler(event, context))
        except Exception:
            import lacewing_errors

            report = lacewing_errors.of_invocation(sys.exc_info(), request_id, sink)
            flush()
            status, headers, body = door.fail(request_id, *report)
        else:
            flush()
            status, headers, body = door.answer(request_id, result, content_type)
        event = context = result = None


def main():
    global sink
    write_by_line()
    add_builtins()
    sys.meta_path.insert(0, LoggingHook())
    door = open_door()
    sink = open_sink()
    lacewing_json.set_up()
    set_paths()
    handler = start(door)
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        import lacewing_errors

        lacewing_errors.pass_restore(door, sink)
    run(door, handler)
