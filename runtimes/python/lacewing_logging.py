"""Sets `logging` up as Lambda does: one handler on the root logger, text or JSON, each record one frame.

Imported by the hook in `lacewing_bootstrap` right after `logging` itself.
"""

import os
import time

import lacewing_bootstrap
import lacewing_json

_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
_SECONDS = "%Y-%m-%dT%H:%M:%S"

# Attributes of a record that are not the user's own.
_OURS = frozenset(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created "
    "msecs relativeCreated thread threadName processName process aws_request_id tenant_id _frame_type".split()
)


def _level(record):
    return min(50, max(0, record.levelno)) // 10 * 10


def _frame_kind(record, form):
    """Form and level in the frame's first word: text 3, JSON 2; DEBUG 8, INFO 12, WARN 16, ERROR 20, FATAL 24."""
    level = _level(record)
    return 0xA55A0000 | form | ((level // 10 + 1) * 4 if level else 0)


def set_up(logging, sink):
    is_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
    level = "DEBUG" if level == "TRACE" else level.upper()

    class LambdaLoggerHandler(logging.Handler):
        def __init__(self):
            logging.Handler.__init__(self)
            self.log_sink = sink

        def emit(self, record):
            text = self.format(record)
            if is_json:
                self.log_sink.log(text, _frame_kind(record, 2))
            elif level:
                self.log_sink.log(text, _frame_kind(record, 3))
            else:
                self.log_sink.log(text)

    class LambdaLoggerFilter(logging.Filter):
        def filter(self, record):
            record.aws_request_id = lacewing_bootstrap.request_id or ""
            record.tenant_id = lacewing_bootstrap.tenant_id
            return True

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            record.levelno = _level(record)
            record.levelname = logging.getLevelName(record.levelno)
            return _entry(self, record)

    logging.Formatter.converter = time.gmtime
    handler = LambdaLoggerHandler()
    handler.setFormatter(JsonFormatter(datefmt=_SECONDS + "Z") if is_json else logging.Formatter(_TEXT, _SECONDS))
    handler.addFilter(LambdaLoggerFilter())
    root = logging.getLogger()
    if level in logging._nameToLevel:
        root.setLevel(level)
    root.addHandler(handler)


def _entry(formatter, record):
    plain = isinstance(record.msg, dict) and not record.args
    entry = {
        "timestamp": formatter.formatTime(record, formatter.datefmt),
        "level": record.levelname,
        "message": record.msg if plain else record.getMessage(),
        "logger": record.name,
    }
    if record.exc_info:
        import traceback

        entry["stackTrace"] = traceback.format_tb(record.exc_info[2])
        entry["errorType"] = record.exc_info[0].__name__
        entry["errorMessage"] = str(record.exc_info[1])
    entry["requestId"] = record.aws_request_id
    if record.exc_info:
        entry["location"] = "%s:%s:%s" % (record.pathname, record.funcName, record.lineno)
    if record.tenant_id is not None:
        entry["tenantId"] = record.tenant_id
    for key, value in record.__dict__.items():
        if key not in _OURS and key not in entry and value is not None:
            entry[key] = value
    return lacewing_json.log_dumps(entry) + "\n"
