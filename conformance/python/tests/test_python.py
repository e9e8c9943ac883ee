"""The Python runtime: handler forms, context, environment, logging; and the same as AWS's own client."""
import json
import re

import pytest

from harness import commands
from harness.calls import call
from harness.packages import NATIVE, PYTHON, package, python, with_runtime_client
from harness.server import ACCOUNT, REGION

FORMS = [
    ("a function of a module", {"app.py": "def handler(e, c): return 'plain'"}, "app.handler", "plain"),
    ("a module in a folder", {"src/deep/mod.py": "def run(e, c): return __name__"}, "src/deep/mod.run", "src.deep.mod"),
    ("a module named with dots", {"pkg/__init__.py": "", "pkg/mod.py": "def run(e, c): return 'dots'"}, "pkg.mod.run", "dots"),
    ("a method of an object", {"app.py": "class A:\n  def run(self, e, c): return 'bound'\nhandler = A().run"},
     "app.handler", "bound"),
    ("a callable object", {"app.py": "class A:\n  def __call__(self, e, c): return 'called'\nhandler = A()"},
     "app.handler", "called"),
    ("a library beside it", {"app.py": "import lib\ndef handler(e, c): return lib.ANSWER", "lib.py": "ANSWER = 42"},
     "app.handler", 42),
    ("unicode", {"app.py": "def handler(e, c): return 'é☃\\U0001F600'"}, "app.handler", "é☃😀"),
    ("a big integer and a float", {"app.py": "def handler(e, c): return [2**70, 0.1]"}, "app.handler", [2**70, 0.1]),
]


@pytest.mark.parametrize("why, files, handler, expected", FORMS, ids=[row[0] for row in FORMS])
def test_handler_forms(lam, deploy, why, files, handler, expected):
    assert call(lam, deploy(package(files), handler=handler)).value == expected


def test_the_whole_context(lam, deploy):
    source = """
        def handler(event, c):
            return {
                "name": c.function_name, "version": c.function_version, "arn": c.invoked_function_arn,
                "memory": c.memory_limit_in_mb, "id": c.aws_request_id, "group": c.log_group_name,
                "stream": c.log_stream_name, "identity": [c.identity.cognito_identity_id],
                "client": c.client_context, "remaining": c.get_remaining_time_in_millis(),
            }
        """
    name = deploy(python(source), "context", Timeout=5, MemorySize=192)
    answer = call(lam, name)
    value = answer.value
    assert value["name"] == "context" and value["version"] == "$LATEST" and value["memory"] == "192"
    assert value["arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:context"
    assert value["id"] == answer.request_id and value["group"] == "/aws/lambda/context"
    assert re.match(r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$", value["stream"])
    assert value["identity"] == [None] and value["client"] is None
    assert 3000 < value["remaining"] <= 5000


ENVIRONMENT = {
    "_HANDLER": "app.handler", "LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime", "PWD": "/var/task",
    "TZ": ":UTC", "LANG": "en_US.UTF-8", "SHLVL": "0", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
    "AWS_LAMBDA_FUNCTION_NAME": "environment", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/environment",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin", "PYTHONPATH": "/var/runtime",
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "MINE": "here",
}


def test_every_variable_that_lambda_promises(lam, deploy):
    name = deploy(python("import os\ndef handler(event, context): return dict(os.environ)"), "environment",
                  Environment={"Variables": {"MINE": "here"}})
    value = call(lam, name).value
    assert {key: value.get(key) for key in ENVIRONMENT} == ENVIRONMENT
    assert value["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{PYTHON}"
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_XRAY_DAEMON_ADDRESS",
                "AWS_LAMBDA_LOG_STREAM_NAME", "_X_AMZN_TRACE_ID"):
        assert value[key], key


def test_where_it_runs(lam, deploy):
    source = """
        import os, pwd, resource, sys
        def handler(event, context):
            def may_write(path):
                try:
                    open(path, "w").close()
                    return True
                except OSError:
                    return False
            tmp = os.statvfs("/tmp")
            return {"cwd": os.getcwd(), "path": sys.path[:6], "tmp": may_write("/tmp/x"),
                    "elsewhere": [p for p in ("/var/task/x", "/usr/x", "/x", "/var/runtime/x", "/opt/x") if may_write(p)],
                    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0], "tmp_bytes": tmp.f_blocks * tmp.f_frsize,
                    "uid": os.getuid()}
        """
    value = call(lam, deploy(python(source), EphemeralStorage={"Size": 513})).value
    assert value["cwd"] == "/var/task" and "/var/task" in value["path"] and value["tmp"] is True
    assert value["elsewhere"] == [] and value["files"] == 1024 and value["uid"] != 0
    assert value["tmp_bytes"] == 513 * 1024 * 1024


LOGGING = """
    import logging, sys
    log = logging.getLogger()
    def handler(event, context):
        print("printed")
        print("to stderr", file=sys.stderr)
        logging.getLogger("mine").warning("warned %s", 1)
        log.error("two\\nlines")
        log.info("informed")
        log.debug("not at this level")
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("caught")
    """


def test_text_logs_carry_level_time_and_request(lam, deploy):
    answer = call(lam, deploy(python(LOGGING)))
    request, log = re.escape(answer.request_id), answer.log
    assert "printed\n" in log and "to stderr\n" in log
    assert re.search(rf"^\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{request}\twarned 1$", log, re.M)
    assert re.search(rf"^\[ERROR\]\t\S+\t{request}\ttwo\nlines$", log, re.M)
    assert re.search(rf"^\[ERROR\]\t\S+\t{request}\tcaught\nTraceback", log, re.M)
    assert "informed" not in log and "not at this level" not in log


def test_json_logs_are_objects_and_levels_filter(lam, deploy, logs):
    name = deploy(python(LOGGING), LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"})
    answer = call(lam, name)
    objects = [json.loads(line) for line in answer.log.splitlines() if line.startswith("{")]
    own = [o for o in objects if "level" in o]
    by_message = {o["message"]: o for o in own if "message" in o}
    assert by_message["warned 1"]["level"] == "WARN" or by_message["warned 1"]["level"] == "WARNING"
    assert by_message["warned 1"]["logger"] == "mine" and by_message["warned 1"]["requestId"] == answer.request_id
    assert by_message["two\nlines"]["level"] == "ERROR" and "informed" in by_message
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$", by_message["informed"]["timestamp"])
    caught = by_message["caught"]
    assert (caught["errorType"], caught["errorMessage"]) == ("ZeroDivisionError", "division by zero") and caught["stackTrace"]
    platform = [o for o in objects if o.get("type", "").startswith("platform.")]
    assert {"platform.start", "platform.report"} <= {o["type"] for o in platform}
    report = next(o for o in platform if o["type"] == "platform.report")["record"]
    assert report["requestId"] == answer.request_id and report["status"] == "success"
    assert report["metrics"]["billedDurationMs"] >= 1 and report["metrics"]["memorySizeMB"] == 128
    assert "REPORT RequestId" not in answer.log and "not at this level" not in answer.log


def test_a_log_level_hides_what_is_below_it(lam, deploy):
    name = deploy(python(LOGGING), LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "SystemLogLevel": "WARN"})
    log = call(lam, name).log
    assert "warned" not in log and "two\\nlines" in log and "platform.start" not in log


def test_an_exec_wrapper_gets_the_original_command(lam, deploy):
    files = {"app.py": "import os\ndef handler(event, context): return os.environ.get('WRAPPED')",
             "wrap.sh": ('#!/bin/sh\nexport WRAPPED="yes, $# words"\nexec "$@"\n', 0o755)}
    name = deploy(package(files), Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap.sh"}})
    assert re.match(r"yes, \d+ words", call(lam, name).value)


def test_a_wrapper_that_is_missing_exits_127(lam, deploy):
    name = deploy(python("def handler(event, context): return 1"),
                  Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/nothing"}})
    answer = call(lam, name)
    assert answer.value["errorType"] == "Runtime.ExitError"
    assert "exit status 127" in answer.value["errorMessage"]


def test_boto3_is_there_and_finds_the_platform_without_a_variable(server, lam, deploy):
    """Any Python of the host lends its boto3 to one that has none; the endpoints stand in the home's configuration."""
    source = """import os
def handler(event, context):
    try:
        import boto3
    except ModuleNotFoundError:
        return None
    set_by_us = [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]
    return boto3.client("sts").get_caller_identity()["Arn"], boto3.client("lambda").meta.endpoint_url, set_by_us
"""
    doctor = commands.lacewing(server, "doctor", "--json", expect=None).stdout
    lends = any(found["boto3"] for found in json.loads(doctor)["interpreters"])
    name = deploy(python(source), Timeout=60, MemorySize=512)
    answer = call(lam, name).value
    if not lends:
        assert answer is None
        pytest.skip("no Python of this host has boto3")
    arn, endpoint, variables = answer
    assert arn.endswith(f":assumed-role/of-the-function/{name}") and endpoint == "http://127.0.0.1:9001"
    assert variables == []
    # Who sets a home of their own is told by variables.
    name = deploy(python(source), Timeout=60, MemorySize=512, Environment={"Variables": {"HOME": "/tmp"}})
    assert call(lam, name).value[2] != []


def test_children_and_threads_work(lam, deploy):
    source = """
        import concurrent.futures, subprocess, multiprocessing
        def handler(event, context):
            said = subprocess.run(["sh", "-c", "echo child"], capture_output=True, text=True).stdout
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                return [said, sum(pool.map(lambda n: n * n, range(100)))]
        """
    assert call(lam, deploy(python(source))).value == ["child\n", 328350]


# --- The same package, once on our bootstrap and once on AWS's own client. ---

ACTS = """
import json, logging, os, sys, decimal, datetime
log = logging.getLogger()
log.setLevel(logging.INFO)

class Custom(Exception):
    pass

def inner(event):
    raise Custom("from inside", 7)

def handler(event, context):
    do = event.get("do") if isinstance(event, dict) else None
    if do == "raise":
        inner(event)
    if do == "raise from":
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("outer") from error
    if do == "raise nothing":
        raise Custom()
    if do == "unicode error":
        raise Custom("grüße ☃")
    if do == "set":
        return {1}
    if do == "bytes":
        return b"bytes"
    if do == "date":
        return datetime.datetime(2026, 1, 2)
    if do == "decimal":
        return decimal.Decimal("1.5")
    if do == "nan":
        return float("nan")
    if do == "keys":
        return {1: "one", None: "none", True: "true"}
    if do == "nested":
        value = []
        for _ in range(200):
            value = [value]
        return value
    if do == "unicode":
        return "é☃"
    if do == "log":
        log.info("informed %d", 5)
        log.warning("two\\nlines")
        print("printed")
        print("a", "b", sep="|", end="")
    if do == "context":
        return [context.function_name is not None, context.memory_limit_in_mb, context.client_context,
                str(type(context).__name__), context.identity.cognito_identity_pool_id]
    return event
"""
EVENTS = [{"do": do} for do in (
    "raise", "raise from", "raise nothing", "unicode error", "set", "bytes", "date", "decimal", "nan", "keys", "nested",
    "unicode", "log", "context")] + [{"a": [1, 2.5, None]}, [], "text", 3, None, {"é": "☃"}]


@pytest.fixture(scope="module")
def pair(deploy):
    ours = deploy(package({"app.py": ACTS}), "differential", Timeout=20)
    theirs = deploy(with_runtime_client(ACTS), "differential-aws", runtime=NATIVE, Timeout=20, MemorySize=256)
    return ours, theirs


def without_ids(answer):
    """What may differ is taken out: ids, times, memory, and frames of the clients' own files."""
    raw = answer.raw.decode().replace(answer.request_id, "ID")
    try:
        value = json.loads(raw)
    except ValueError:
        value = raw
    if isinstance(value, dict) and "stackTrace" in value:
        value["stackTrace"] = [frame for frame in value["stackTrace"] if "/var/task/app.py" in frame]
    log = answer.log.replace(answer.request_id, "ID")
    log = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", log)
    # Without the platform's framed channel the official client joins lines of one event with carriage returns.
    log = log.replace("\r", "\n")
    kept = [line.rstrip() for line in log.splitlines() if not re.match(r"(INIT_|START |END |REPORT )", line)]
    # Printed and logged lines take two channels with us: each keeps its order, between them there is none.
    return answer.error, value, sorted(line for line in kept if line and "differential" not in line)


@pytest.mark.parametrize("event", EVENTS, ids=[json.dumps(event) for event in EVENTS])
def test_our_bootstrap_answers_as_the_official_client(lam, pair, event):
    ours, theirs = (without_ids(call(lam, name, raw=json.dumps(event).encode())) for name in pair)
    if isinstance(event, dict) and event.get("do") == "context":
        ours[1][1] = theirs[1][1] = "memory"
    assert ours == theirs


BROKEN = [
    ("import", "import nothing_of_the_kind", "app.handler"),
    ("syntax", "def handler(:", "app.handler"),
    ("missing handler", "x = 1", "app.handler"),
    ("missing module", "x = 1", "other.handler"),
    ("raise at load", "raise KeyError('k')", "app.handler"),
    ("no dot", "x = 1", "handler"),
]


@pytest.mark.parametrize("why, source, handler", BROKEN, ids=[row[0] for row in BROKEN])
def test_broken_modules_fail_as_with_the_official_client(lam, deploy, why, source, handler):
    ours = call(lam, deploy(package({"app.py": source}), handler=handler))
    theirs = call(lam, deploy(with_runtime_client(source), runtime=NATIVE, handler=handler, MemorySize=256, Timeout=20))
    strip = lambda answer: (answer.error, answer.value["errorType"], answer.value["errorMessage"], answer.value.get("requestId"))
    assert strip(ours) == strip(theirs)
