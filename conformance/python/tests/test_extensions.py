"""Extensions from layers: told of each invocation and of the end, waited for, billed, and the end of it where they fail."""
import json
import re
import urllib.request
from pathlib import Path

import pytest

from harness.calls import call, client, create, settled
from harness.packages import package, python
from harness.server import ACCOUNT, REGION
from harness.wait import until

EXTENSION = (Path(__file__).parent.parent / "functions" / "extension.py").read_bytes()

# Has the extension do something while, or after, it works itself.
ASKS = """
    import os, signal, time
    calls = 0

    def told_to_end(number, frame):
        print("SIGTERM came", flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, told_to_end)

    def handler(event, context):
        global calls
        calls += 1
        with open("/tmp/do.new", "w") as file:
            file.write(event.get("do", "nothing"))
        os.rename("/tmp/do.new", "/tmp/do")
        time.sleep(event.get("sleep", 0))
        return calls
    """


def metrics(server):
    token = (server.data / "metrics-token").read_text().strip()
    asked = urllib.request.Request(f"{server.url}/_lacewing/metrics", headers={"Authorization": f"Bearer {token}"})
    return urllib.request.urlopen(asked).read().decode()


@pytest.fixture(scope="module")
def layer(lam):
    def publish(files):
        files = {name: (body, mode) for name, (body, mode) in files.items()}
        return lam.publish_layer_version(LayerName="extensions", Content={"ZipFile": package(files)})["LayerVersionArn"]
    return publish


@pytest.fixture(scope="module")
def extended(lam, deploy, layer):
    """`extended(mode, ...)` deploys a function with the extension in a layer, and returns its name."""
    arn = layer({"extensions/watch": (EXTENSION, 0o755)})

    def one(mode="", source=ASKS, timeout=10, **more):
        return deploy(python(source), Timeout=timeout, Layers=[arn],
                      Environment={"Variables": {"EXTENSION_MODE": mode}}, **more)
    return one


def log(server, name):
    """All lines of a function's log, oldest first."""
    events = client(server, "logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", limit=1000)["events"]
    return [event["message"].rstrip("\n") for event in events]


def told(server, name, key):
    said = [json.loads(line[5:]) for line in log(server, name) if line.startswith("TOLD ")]
    return [one[key] for one in said if key in one]


def logged(server, name, pattern):
    """Waits for a line, and returns the match."""
    def found():
        return next((match for match in (re.search(pattern, line) for line in log(server, name)) if match), None)
    return until(found, why=lambda: "\n".join(log(server, name)))


def test_an_extension_registers_and_is_told_of_each_invocation(server, lam, extended):
    name = extended()
    first, second = call(lam, name, {}), call(lam, name, {})
    assert (first.value, second.value) == (1, 2)
    registered = told(server, name, "registered")
    assert registered == [{"functionName": name, "functionVersion": "$LATEST", "handler": "app.handler",
                           "accountId": ACCOUNT}]
    [environment] = told(server, name, "environment")
    assert {"AWS_LAMBDA_RUNTIME_API", "AWS_ACCESS_KEY_ID", "AWS_LAMBDA_FUNCTION_NAME", "EXTENSION_MODE"} <= set(environment)
    assert not [key for key in environment if key.startswith("_")]
    events = told(server, name, "event")
    assert [event["requestId"] for event in events] == [first.request_id, second.request_id]
    for event in events:
        assert set(event) == {"eventType", "deadlineMs", "requestId", "invokedFunctionArn", "tracing"}
        assert event["eventType"] == "INVOKE" and event["tracing"]["type"] == "X-Amzn-Trace-Id"
        assert event["invokedFunctionArn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    assert len(set(told(server, name, "id"))) == 2
    assert "EXTENSION\tName: watch\tState: Ready\tEvents: [INVOKE,SHUTDOWN]" in log(server, name)


def test_the_log_tail_waits_for_the_extension_and_its_time_is_billed(server, lam, extended):
    name = extended()
    answer = call(lam, name, {"do": "linger"})
    assert "TOLD" in answer.log and answer.log.rstrip().splitlines()[-1].startswith("REPORT")


def test_the_answer_comes_before_an_extension_is_done_and_its_timeout_is_the_invocations(server, lam, extended):
    name = extended(timeout=1)
    answer = call(lam, name, {"do": "hang"}, tail=False)
    assert (answer.error, answer.value) == (None, 1), "the function answered in time"
    report = logged(server, name, rf"REPORT RequestId: {answer.request_id}\tDuration: (\S+) ms.*Status: (\w+)")
    assert report.groups() == ("1000.00", "timeout")
    # The one that hangs is killed; the environment begins anew.
    assert call(lam, name, {}, tail=False).value == 1


def test_an_invocation_that_times_out_tells_the_extension(server, lam, extended):
    name = extended(timeout=1)
    answer = call(lam, name, {"sleep": 60}, tail=False)
    assert answer.value["errorType"] == "Sandbox.Timedout"
    until(lambda: told(server, name, "bye"), why=lambda: "\n".join(log(server, name)))
    end = told(server, name, "event")[-1]
    assert (end["eventType"], end["shutdownReason"]) == ("SHUTDOWN", "timeout") and "deadlineMs" in end
    assert call(lam, name, {}).value == 1


def test_a_runtime_that_ends_tells_the_extension(server, lam, extended):
    name = extended(source="""
        import os
        def handler(event, context):
            open("/tmp/do", "w").write("nothing")
            os._exit(5)
    """)
    answer = call(lam, name, {}, tail=False)
    assert "exit status 5" in answer.value["errorMessage"]
    until(lambda: told(server, name, "bye"))
    assert told(server, name, "event")[-1]["shutdownReason"] == "failure"


@pytest.mark.parametrize("do, kind, words", [("exit", "Extension.Crash", "exit status 3"),
                                             ("exit-error", "Extension.ExitError", "exit code 0")])
def test_an_extension_that_ends_is_the_end_of_the_invocation(server, lam, extended, do, kind, words):
    name = extended()
    answer = call(lam, name, {"do": do, "sleep": 60})
    assert answer.error == "Unhandled"
    assert answer.value == {"errorType": kind, "errorMessage": f"RequestId: {answer.request_id} Error: {words}"}
    assert f"Status: error\tError Type: {kind}" in answer.log
    assert call(lam, name, {}).value == 1, "both begin anew"


@pytest.mark.parametrize("mode, kind, words, line", [
    ("exit", "Extension.Crash", "exit status 7", "State: Exited\tEvents: []"),
    ("init-error", "Extension.InitError", "exit status 1",
     "State: InitError\tEvents: [INVOKE,SHUTDOWN]\tError Type: Extension.NoKey"),
])
def test_an_extension_that_fails_in_init_fails_the_environment(server, lam, extended, mode, kind, words, line):
    name = extended(mode)
    answer = call(lam, name, {})
    assert answer.value == {"errorType": kind, "errorMessage": f"RequestId: {answer.request_id} Error: {words}"}
    lines = log(server, name)
    assert f"EXTENSION\tName: watch\t{line}" in lines
    reports = [one for one in lines if one.startswith("INIT_REPORT")]
    phases = [re.sub(r"[\d.]+ ms", "N ms", one) for one in reports]
    assert phases == [f"INIT_REPORT Init Duration: N ms\tPhase: {phase}\tStatus: error\tError Type: {kind}"
                      for phase in ("init", "invoke")]


def test_a_file_that_cannot_be_executed_fails_the_environment(lam, deploy, layer):
    arn = layer({"extensions/plain": (b"no program", 0o644)})
    name = deploy(python(ASKS), Layers=[arn])
    answer = call(lam, name, {})
    assert answer.value["errorType"] == "Extension.LaunchError"
    assert answer.value["errorMessage"].endswith("fork/exec /opt/extensions/plain: permission denied")


def test_more_than_ten_fail_the_environment(lam, deploy, layer):
    arn = layer({f"extensions/e{at}": (EXTENSION, 0o755) for at in range(11)})
    name = deploy(python(ASKS), Layers=[arn])
    assert call(lam, name, {}).value["errorType"] == "Extension.LaunchError"


@pytest.mark.parametrize("mode", ["", "lingers", "deaf"])
def test_what_is_not_needed_any_more_is_told_and_ends(server, lam, extended, mode):
    name = extended(mode)
    assert call(lam, name, {}).value == 1
    lam.update_function_configuration(FunctionName=name, Description="another generation")
    settled(lam, name)
    logged(server, name, "SIGTERM came")
    if mode == "deaf":
        assert all(event["eventType"] == "INVOKE" for event in told(server, name, "event"))
        return
    until(lambda: told(server, name, "event")[-1]["eventType"] == "SHUTDOWN")
    assert told(server, name, "event")[-1]["shutdownReason"] == "spindown"
    if mode == "":
        until(lambda: told(server, name, "bye"))


def test_a_frozen_sandbox_is_thawed_for_its_end(start_server):
    server = start_server("[scaling]\nfreeze_after_ms = 10\n")
    lam = client(server)
    layer = lam.publish_layer_version(LayerName="e", Content={"ZipFile": package({"extensions/watch": (EXTENSION, 0o755)})})
    create(lam, "cold", python(ASKS), Layers=[layer["LayerVersionArn"]])
    assert call(lam, "cold", {}).value == 1
    until(lambda: 'lacewing_sandboxes{state="frozen"} 1' in metrics(server), why=lambda: metrics(server))
    lam.update_function_configuration(FunctionName="cold", Description="another generation")
    until(lambda: told(server, "cold", "bye"))


def test_a_server_that_stops_tells_the_extensions_and_waits_no_longer_than_the_rules(own_server):
    server = own_server().start()
    lam = client(server)
    layer = lam.publish_layer_version(LayerName="e", Content={"ZipFile": package({"extensions/watch": (EXTENSION, 0o755)})})
    for name, mode in [("polite", ""), ("slow", "lingers")]:
        create(lam, name, python(ASKS), Layers=[layer["LayerVersionArn"]],
               Environment={"Variables": {"EXTENSION_MODE": mode}})
        assert call(lam, name, {}).value == 1
    assert server.stop() == 0
    server.start()
    assert told(server, "polite", "bye") and told(server, "polite", "event")[-1]["shutdownReason"] == "spindown"
    assert told(server, "slow", "event")[-1]["eventType"] == "SHUTDOWN" and not told(server, "slow", "bye")


def test_internal_extensions_hear_invocations_only(lam, deploy):
    name = deploy(python("""
        import json, os, threading, urllib.error, urllib.request
        API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension"
        heard = []

        def ask(path, body=None, **headers):
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            data = None if body is None else json.dumps(body).encode()
            try:
                with urllib.request.urlopen(urllib.request.Request(API + path, data=data, headers=headers)) as answer:
                    return answer.headers, json.loads(answer.read())
            except urllib.error.HTTPError as error:
                return error.code, json.loads(error.read())

        refused = [ask("/register", {"events": ["SHUTDOWN"]}, Lambda_Extension_Name="inside"),
                   ask("/register", {"events": ["INVOKE"]}),
                   ask("/event/next"),
                   ask("/event/next", Lambda_Extension_Identifier="x"),
                   ask("/event/next", Lambda_Extension_Identifier="9d3fbb3e-0d5c-4f7a-b1a1-0123456789ab")]
        head, about = ask("/register", {"events": ["INVOKE"]}, Lambda_Extension_Name="inside")
        me = {"Lambda-Extension-Identifier": head["Lambda-Extension-Identifier"]}
        asked, came = threading.Event(), threading.Event()

        def listen():
            while True:
                asked.set()
                _, event = ask("/event/next", **me)
                heard.append(event["eventType"])
                came.set()
        threading.Thread(target=listen, daemon=True).start()
        asked.wait()

        def handler(event, context):
            came.wait()
            came.clear()
            late = ask("/register", {"events": []}, Lambda_Extension_Name="late")
            return {"heard": heard, "refused": refused, "late": late, "about": about}
    """), Timeout=10)
    answer = call(lam, name, {}).value
    kinds = [error["errorType"] for _, error in answer["refused"]]
    assert kinds == ["Extension.InvalidEventType", "Extension.InvalidExtensionName",
                     "Extension.MissingExtensionIdentifier", "Extension.InvalidExtensionIdentifier",
                     "Extension.UnknownExtensionIdentifier"]
    assert {status for status, _ in answer["refused"]} == {403}
    assert answer["late"][0] == 403 and answer["late"][1]["errorType"] == "Extension.RegistrationClosed"
    assert set(answer["about"]) == {"functionName", "functionVersion", "handler"}
    assert call(lam, name, {}).value["heard"] == ["INVOKE", "INVOKE"]
