"""The Telemetry and Logs API: what a subscriber in the sandbox really gets, event by event."""
import json
import os
from pathlib import Path

import pytest

from harness.calls import call, client, settled
from harness.packages import package, python
from harness.server import ACCOUNT, REGION
from harness.wait import until

GUEST = Path(os.environ["LACEWING_GUEST"]).read_bytes()
SUBSCRIBER = (Path(__file__).parent.parent / "functions" / "subscriber.py").read_bytes()

# Shows what its extension has got so far.
SHOWS = """
    import json, os, time, urllib.error, urllib.request
    print("a line of INIT")

    def read(name):
        try:
            return [json.loads(line) for line in open(name)]
        except FileNotFoundError:
            return []

    def handler(event, context):
        print("a line of the call")
        if event.get("fail"):
            raise ValueError("as asked")
        if event.get("exit"):
            os._exit(9)
        if event.get("late"):
            request = urllib.request.Request("http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + event["late"], data=b"{}",
                                             method="PUT", headers={"Lambda-Extension-Identifier": event["id"]})
            try:
                urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                return error.code, json.loads(error.read())
        return read("/tmp/telemetry")
    """


@pytest.fixture(scope="module")
def subscribed(lam, deploy):
    layer = lam.publish_layer_version(LayerName="telemetry",
                                      Content={"ZipFile": package({"extensions/listens": (SUBSCRIBER, 0o755)})})

    def one(source=SHOWS, **how):
        return deploy(python(source), Layers=[layer["LayerVersionArn"]], Timeout=10,
                      Environment={"Variables": {"SUBSCRIBE": json.dumps(how)}})
    return one


def events_of(lam, name, last, count=1):
    """Calls until `count` events of that type have come; returns all events so far."""
    def got():
        events = call(lam, name, {}, tail=False).value
        return events if sum(event["type"] == last for event in events) >= count else None
    return until(got)


def of(events, kind):
    return [event["record"] for event in events if event["type"] == kind]


def test_init_and_invocations_are_told_event_by_event(lam, subscribed):
    name = subscribed()
    events = events_of(lam, name, "platform.report", 2)
    first = [event["type"] for event in events[:12]]
    for earlier, later in [("platform.initStart", "platform.telemetrySubscription"),
                           ("platform.telemetrySubscription", "extension"), ("platform.initStart", "function"),
                           ("platform.initRuntimeDone", "platform.initReport"),
                           ("platform.initReport", "platform.start"), ("platform.start", "platform.runtimeDone"),
                           ("platform.runtimeDone", "platform.report")]:
        assert first.index(earlier) < first.index(later), (earlier, later, first)
    assert all(set(event) == {"time", "type", "record"} and event["time"].endswith("Z") for event in events)
    [start] = of(events, "platform.initStart")
    assert start.pop("instanceId") and start.pop("runtimeVersionArn") and start.pop("runtimeVersion")
    assert start == {"initializationType": "on-demand", "phase": "init", "functionName": name, "functionVersion": "$LATEST",
                     "functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}", "instanceMaxMemory": 128}
    assert of(events, "platform.initRuntimeDone") == [
        {"initializationType": "on-demand", "phase": "init", "status": "success"}]
    [report] = of(events, "platform.initReport")
    assert report.pop("metrics")["durationMs"] > 0
    assert report == {"initializationType": "on-demand", "phase": "init", "status": "success"}
    assert of(events, "platform.telemetrySubscription") == [
        {"name": "listens", "state": "Subscribed", "types": ["platform", "function", "extension"]}]
    assert of(events, "platform.extension") == [
        {"name": "listens", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}]
    assert of(events, "extension")[0] == "an extension's line"
    assert of(events, "function")[:2] == ["a line of INIT", "a line of the call"]


def test_the_records_of_an_invocation_have_their_metrics_and_spans(lam, subscribed):
    name = subscribed()
    request_id = call(lam, name, {}, tail=False).request_id
    events = events_of(lam, name, "platform.report")
    assert of(events, "platform.start")[0] == {"requestId": request_id, "version": "$LATEST"}
    done = of(events, "platform.runtimeDone")[0]
    assert (done["requestId"], done["status"]) == (request_id, "success") and "errorType" not in done
    assert done["metrics"]["durationMs"] > 0 and done["metrics"]["producedBytes"] >= 2
    assert [span["name"] for span in done["spans"]] == ["responseLatency", "responseDuration", "runtimeOverhead"]
    assert all(set(span) == {"name", "start", "durationMs"} for span in done["spans"])
    report = of(events, "platform.report")[0]
    assert (report["requestId"], report["status"]) == (request_id, "success")
    assert {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"} <= set(report["metrics"])
    assert report["metrics"]["durationMs"] >= done["metrics"]["durationMs"]


def test_an_error_of_the_handler_is_told_with_its_type(lam, subscribed):
    name = subscribed()
    assert call(lam, name, {"fail": True}, tail=False).error == "Unhandled"
    done = of(events_of(lam, name, "platform.runtimeDone"), "platform.runtimeDone")[0]
    assert (done["status"], done["errorType"]) == ("error", "Runtime.Unknown")


def test_a_crash_is_told_before_the_end_and_init_is_told_again(lam, subscribed):
    name = subscribed()
    assert call(lam, name, {"exit": True}, tail=False).value["errorType"] == "Runtime.ExitError"
    events = events_of(lam, name, "platform.initStart", 2)
    done = of(events, "platform.runtimeDone")[0]
    assert (done["status"], done["errorType"]) == ("failure", "Runtime.ExitError")
    assert [record["phase"] for record in of(events, "platform.initStart")] == ["init", "invoke"]


@pytest.mark.parametrize("schema", ["2022-07-01", "2025-01-29"])
def test_schemas_differ_in_their_spans(lam, subscribed, schema):
    name = subscribed(schema=schema, types=["platform"])
    events = events_of(lam, name, "platform.runtimeDone")
    assert ("spans" in of(events, "platform.runtimeDone")[0]) == (schema != "2022-07-01")
    assert not of(events, "function") and not of(events, "extension")


@pytest.mark.parametrize("how", [{"schema": "2020-08-15"}, {"schema": "2021-03-18", "tcp": True}])
def test_the_logs_api_has_its_own_events(lam, subscribed, how):
    name = subscribed(path="/2020-08-15/logs", **how)
    events = events_of(lam, name, "platform.report")
    kinds = {event["type"] for event in events}
    assert {"platform.start", "platform.end", "platform.report", "platform.logsSubscription", "platform.extension",
            "function", "extension"} <= kinds
    assert not any(kind.startswith("platform.init") for kind in kinds)
    assert ("platform.runtimeDone" in kinds) == (how["schema"] == "2021-03-18")
    report = of(events, "platform.report")[0]
    assert set(report) == {"requestId", "metrics"}
    assert of(events, "platform.end")[0] == {"requestId": report["requestId"]}


def test_the_log_says_who_subscribed_to_what(server, lam, subscribed):
    name = subscribed(types=["platform", "function"])
    call(lam, name, {})
    events = client(server, "logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert "TELEMETRY\tName: listens\tState: Subscribed\tTypes: [Platform, Function]" in [
        event["message"].rstrip("\n") for event in events]


def test_what_is_out_of_order_is_refused(lam, subscribed):
    name = subscribed("import json\ndef handler(event, context):\n    return json.load(open('/tmp/answers'))\n")
    invalid, nobody, fine = call(lam, name, {}).value
    assert invalid[0] == 400 and invalid[1]["errorType"] == "ValidationError" and "/types" in invalid[1]["errorMessage"]
    assert nobody[0] == 403 and nobody[1]["errorType"] == "Extension.MissingExtensionIdentifier"
    assert fine == [200, "OK"]


@pytest.mark.parametrize("path, kind", [("/2022-07-01/telemetry", "Telemetry.SubscriptionClosed"),
                                        ("/2020-08-15/logs", "Logs.SubscriptionClosed")])
def test_after_init_nobody_subscribes(lam, deploy, path, kind):
    name = deploy(python("""
        import json, os, threading, urllib.error, urllib.request
        API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"]

        def ask(path, body=None, method=None, **headers):
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            data = None if body is None else json.dumps(body).encode()
            try:
                with urllib.request.urlopen(urllib.request.Request(API + path, data=data, headers=headers, method=method)) as got:
                    return got.headers, json.loads(got.read())
            except urllib.error.HTTPError as error:
                return error.code, json.loads(error.read())

        head, _ = ask("/2020-01-01/extension/register", {"events": []}, Lambda_Extension_Name="inside")
        me = {"Lambda-Extension-Identifier": head["Lambda-Extension-Identifier"]}
        threading.Thread(target=ask, args=("/2020-01-01/extension/event/next",), kwargs=me, daemon=True).start()

        def handler(event, context):
            return ask(event, {}, "PUT", **me)
    """))
    assert call(lam, name, path).value == [403, {"errorType": kind, "errorMessage": f"{kind.split('.')[0]} API subscription is closed"}]


def test_awss_own_crate_for_extensions_reads_every_event(server, lam, deploy):
    """`lambda-extension` knows each record's fields and types, and fails on any other."""
    layer = lam.publish_layer_version(LayerName="crate", Content={"ZipFile": package({"extensions/guest": (GUEST, 0o755)})})
    name = deploy(python("""
        def handler(event, context):
            try:
                return open("/tmp/taken").read().splitlines()
            except FileNotFoundError:
                return []
    """), Layers=[layer["LayerVersionArn"]], MemorySize=256)

    def all_kinds():
        kinds = {json.loads(line)["type"] for line in call(lam, name, {}, tail=False).value}
        return {"platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.extension", "platform.start",
                "platform.telemetrySubscription", "platform.runtimeDone", "platform.report", "extension"} <= kinds
    until(all_kinds)
    lam.update_function_configuration(FunctionName=name, Description="another generation")
    settled(lam, name)

    def heard():
        events = client(server, "logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", limit=1000)["events"]
        lines = [event["message"].rstrip("\n") for event in events]
        assert not [line for line in lines if "Error parsing" in line]
        return "HEARD SHUTDOWN spindown" in lines
    until(heard)


def test_json_lines_are_told_as_objects(lam, subscribed):
    name = subscribed(SHOWS.replace('print("a line of the call")', 'import logging; logging.getLogger().error("structured")'))
    lam.update_function_configuration(FunctionName=name, LoggingConfig={"LogFormat": "JSON"})
    settled(lam, name)
    lines = [line for line in of(events_of(lam, name, "platform.report"), "function") if isinstance(line, dict)]
    assert (lines[0]["message"], lines[0]["level"]) == ("structured", "ERROR") and "requestId" in lines[0]


def test_what_is_gathered_is_told_before_the_end(server, lam, subscribed):
    name = subscribed(say=True)
    call(lam, name, {}, tail=False)
    lam.update_function_configuration(FunctionName=name, Description="another generation")
    settled(lam, name)

    def reported():
        events = client(server, "logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", limit=1000)["events"]
        got = [json.loads(event["message"][4:]) for event in events if event["message"].startswith("GOT")]
        return any("platform.report" in kinds for kinds in got)
    until(reported)
