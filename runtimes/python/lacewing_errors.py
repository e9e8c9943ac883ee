"""What a failure looks like: to the caller, in the log, and to X-Ray. Imported only when there is one."""

import os
import sys
import time
import traceback

import lacewing_bootstrap
import lacewing_json

_CAUSE_BYTES_MAX = 1024 * 1024
_INDENT = "\u00a0"

_UNHANDLED = (
    "LAMBDA_WARNING: Unhandled exception. The function's code failed while it was being loaded, before it could "
    "take an event; the error follows."
)


def _frames(trace):
    """(file, line, function, text) from the function's own code on."""
    frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(trace)]
    for at, frame in enumerate(frames):
        if "/lacewing_bootstrap.py" not in frame[0]:
            return frames[at:]
    return frames


def _error(message, kind, trace, request_id):
    return {
        "errorMessage": message or "",
        "errorType": kind or "",
        "requestId": request_id if request_id is not None else "",
        "stackTrace": trace or [],
    }


def _describe(exc_info, request_id):
    """The error, and its cause as X-Ray wants it."""
    kind, value, trace = exc_info
    if isinstance(value, lacewing_bootstrap.Fault):
        error = _error(value.message, value.kind, value.trace, request_id)
        return error, _cause("LambdaValidationError", value.message, [])
    frames = _frames(trace)
    error = _error(str(value), kind.__name__, traceback.format_list(frames), request_id)
    return error, _cause(kind.__name__, str(value), frames)


def _cause(kind, message, frames):
    stack = [{"label": name, "path": path, "line": line} for path, line, name, _ in frames]
    cause = lacewing_json.ascii_dumps(
        {
            "working_directory": os.getcwd(),
            "exceptions": [{"message": message, "type": kind, "stack": stack}],
            "paths": list({frame[0] for frame in frames}),
        }
    )
    return cause if len(cause) < _CAUSE_BYTES_MAX else ""


def _body(error):
    return lacewing_json.dumps(error).encode("utf-8", "backslashreplace")


def _is_json():
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def log(error, sink):
    if _is_json():
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = {"timestamp": stamp, "level": "ERROR"}
        entry.update(error)
        sink.log_error([lacewing_json.dumps(entry)], 0xA55A0016)
        return
    first = "[ERROR]"
    if error["errorType"]:
        first += " " + error["errorType"]
    if error["errorMessage"]:
        first += (": " if error["errorType"] else " ") + error["errorMessage"]
    lines = [first, "Traceback (most recent call last):"]
    for element in error["stackTrace"]:
        for line in element.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append(_INDENT * (len(line) - len(text)) + text)
    sink.log_error(lines, 0xA55A0017)


def of_invocation(exc_info, request_id, sink):
    """Logs a failed invocation; returns body, kind and cause for the Runtime API."""
    error, cause = _describe(exc_info, request_id)
    log(error, sink)
    return _body(error), error["errorType"], cause


def end_init(door, sink, exc_info):
    """Reports that INIT failed, and exits."""
    error, cause = _describe(exc_info, None)
    import logging

    logging.warning(_UNHANDLED)
    log(error, sink)
    lacewing_bootstrap.flush()
    door.fail_init("init/error", _body(error), error["errorType"], cause)
    sys.exit(1)


def pass_restore(door, sink):
    """The hooks around a snapshot, with their own exit codes."""
    hooks = sys.modules.get("snapshot_restore_py")
    steps = (
        (64, "Runtime.BeforeSnapshotError", "init/error", "get_before_snapshot"),
        (65, "Runtime.AfterRestoreError", "restore/error", "get_after_restore"),
    )
    for code, kind, path, getter in steps:
        try:
            registered = getattr(hooks, getter)() if hooks else []
            # Those before the snapshot run in reverse order of registration.
            for hook, args, kwargs in reversed(registered) if code == 64 else registered:
                hook(*args, **kwargs)
            if code == 64:
                door.restore_next()
                if os.environ.pop("LACEWING_TEMPLATE", None):
                    import lacewing_restored

                    lacewing_restored.go_on(door, sink)
        except BaseException:
            error, _ = _describe(sys.exc_info(), None)
            log(error, sink)
            door.fail_init(path, _body(error), kind)
            sys.exit(code)
