"""SnapStart: a published version starts from a process that has finished its INIT."""
import itertools
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.calls import call, client, create, publish, settled
from harness.leftovers import tree
from harness.packages import python, with_boto3
from harness.signing import send, signed
from harness.wait import until

pytestmark = pytest.mark.root
CONFIG = "[scaling]\nprepared_least = 0\nprepared_most = 0\n[logs]\nstart_phases = true\n"
SNAPPED = {"SnapStart": {"ApplyOn": "PublishedVersions"}}
SOURCE = """
    import os, random, ssl, time, uuid
    from snapshot_restore_py import register_after_restore, register_before_snapshot
    order = ["init"]
    register_before_snapshot(order.append, "before, registered first")
    register_before_snapshot(order.append, "before, registered last")
    register_after_restore(order.append, "after, registered first")
    register_after_restore(order.append, "after, registered last")
    made, count = str(uuid.uuid4()), 0
    kind = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
    def handler(event, context):
        global count
        count += 1
        time.sleep((event or {}).get("sleep", 0))
        return {"made": made, "count": count, "order": order, "kind": kind, "uuid": str(uuid.uuid4()),
                "random": random.random(), "tls": ssl.RAND_bytes(16).hex(), "stream": context.log_stream_name,
                "key": os.environ["AWS_ACCESS_KEY_ID"]}
"""

CLIENT = """
import boto3, os
made = boto3.client("lambda")
def handler(event, context):
    status = made.get_function_configuration(FunctionName=context.function_name)["ResponseMetadata"]["HTTPStatusCode"]
    return [status, made._request_signer._credentials.access_key == os.environ["AWS_ACCESS_KEY_ID"]]
"""


@pytest.fixture(scope="module")
def version(lam, deploy):
    name = deploy(python(SOURCE), "snapped", **SNAPPED)
    return publish(lam, name)


def together(lam, name, qualifier, count=3):
    """Calls that run at the same time, so that each has a sandbox of its own."""
    with ThreadPoolExecutor(count) as pool:
        calls = [pool.submit(call, lam, name, {"sleep": 1}, Qualifier=qualifier) for _ in range(count)]
        return [each.result() for each in calls]


def why(server, answer):
    return send(signed(server, path=f"/_lacewing/why/requests/{answer.request_id}")).json()


def test_a_version_is_active_with_its_snapshot(version):
    assert version["State"] == "Active"
    assert version["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}


def test_siblings_have_one_init_and_nothing_random_in_common(server, lam, version):
    answers = together(lam, "snapped", version["Version"])
    assert all(answer.error is None for answer in answers), answers
    seen = [answer.value for answer in answers]
    assert len({each["made"] for each in seen}) == 1 and all(each["kind"] == "snap-start" for each in seen)
    for drawn in ("uuid", "random", "tls", "stream", "key"):
        assert len({each[drawn] for each in seen}) == len(seen), drawn
    for each in seen:
        assert each["count"] == 1
        assert each["order"] == ["init", "before, registered last", "before, registered first",
                                 "after, registered first", "after, registered last"]


def test_a_restore_is_told_in_the_log_and_by_why(server, lam, logs, deploy):
    name = deploy(python(SOURCE), "told", **SNAPPED)
    number = publish(lam, name)["Version"]
    answer = call(lam, name, Qualifier=number)
    told = why(server, answer)
    assert told["rung"] == told["start"]["rung"] == "snapshot" and not told["start"]["missed"], told
    phases = told["start"]["phases"]
    assert phases["sandbox_ms"] > 0 and phases["boot_ms"] > 0 and phases["load_ms"] > 0
    assert answer.report["init"] is None and "Start: snapshot (" in answer.log
    restore, billed = float(answer.report["restore"]), int(answer.report["billed_restore"])
    assert 0 < billed <= restore + 1 and billed <= int(answer.report["billed"])

    def lines():
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return [event["message"] for event in events if event["logStreamName"] == answer.value["stream"]]
    until(lambda: any(line.startswith("REPORT") for line in lines()))
    kinds = [line.split(":")[0].split(" ")[0] for line in lines()]
    assert kinds == ["RESTORE_START", "lacewing", "RESTORE_REPORT", "START", "END", "REPORT"], lines()
    assert "drawn anew: random" in lines()[1]


def test_latest_starts_as_others_do(server, lam, version):
    answer = call(lam, "snapped")
    assert answer.value["kind"] == "on-demand" and answer.value["order"] == ["init"]
    assert why(server, answer)["rung"] == "full"


def test_threads_of_init_are_the_reason_why_there_is_none(server, lam, deploy):
    name = deploy(python("""
        import threading, time
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        def handler(event, context): return threading.active_count()
        """), "threads", **SNAPPED)
    version = publish(lam, name)
    assert version["State"] == "Active" and version["SnapStart"]["OptimizationStatus"] == "Off"
    assert version["StateReason"].startswith("SnapStart is off: INIT left 2 threads running"), version
    answer = call(lam, name, Qualifier=version["Version"])
    assert answer.value == 2 and why(server, answer)["rung"] == "full"


def test_a_client_that_init_made_calls_with_credentials_that_hold(lam, deploy):
    name = deploy(with_boto3({"app.py": CLIENT}), "client", **SNAPPED)
    number = publish(lam, name)["Version"]
    assert call(lam, name, Qualifier=number).value == [200, False]


def test_a_hook_that_fails_after_a_restore_is_told_and_the_call_begins_anew(lam, logs, deploy):
    name = deploy(python("""
        from snapshot_restore_py import register_after_restore
        @register_after_restore
        def fail(): raise ValueError("not again")
        def handler(event, context): return 1
        """), "hook", **SNAPPED)
    version = publish(lam, name)
    assert version["SnapStart"]["OptimizationStatus"] == "On", version
    answer = call(lam, name, Qualifier=version["Version"])
    assert answer.error is None and answer.value == 1

    def lines():
        return [event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]
    until(lambda: any(line.startswith("REPORT") for line in lines()))
    restores = [line for line in lines() if line.startswith("RESTORE_REPORT")]
    assert restores and "Status: error" in restores[0], lines()
    assert any("not again" in line for line in lines()), lines()


def test_a_hook_that_fails_before_the_snapshot_is_the_reason(lam, deploy):
    name = deploy(python("""
        from snapshot_restore_py import register_before_snapshot
        @register_before_snapshot
        def fail(): raise ValueError("not now")
        def handler(event, context): return 1
        """), "before", **SNAPPED)
    version = publish(lam, name)
    assert version["SnapStart"]["OptimizationStatus"] == "Off" and "not now" in version["StateReason"], version


def runtimes_of(server):
    """Processes of our Python bootstrap below the server, on the host."""
    found = []
    for pid in tree(server.pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"bootstrap.py" in file.read():
                    found.append(pid)
        except OSError:
            pass
    return found


def templates_of(server):
    """Those of them that are held for good: executed, so second in their sandbox, and no namespace deeper."""
    held = set()
    for pid in runtimes_of(server):
        try:
            with open(f"/proc/{pid}/status") as file:
                told = dict(line.split(":", 1) for line in file)
        except OSError:
            continue
        if told["NSpid"].split()[1:] == ["2"] and int(told["TracerPid"]):
            held.add(pid)
    return held


def test_an_update_and_a_deletion_leave_no_template(lam, server, deploy):
    name = deploy(python(SOURCE), "short-lived", **SNAPPED)
    publish(lam, name)
    before = templates_of(server)
    lam.update_function_code(FunctionName=name, ZipFile=python(SOURCE + "# changed\n"))
    settled(lam, name)
    assert templates_of(server) == before, "a version is not changed by what comes after it"
    lam.delete_function(FunctionName=name)
    until(lambda: templates_of(server) < before)


def test_a_restarted_server_takes_its_snapshots_again(own_server):
    server = own_server(CONFIG).start()
    lam = client(server)
    create(lam, "again", python(SOURCE), **SNAPPED)
    number = publish(lam, "again")["Version"]
    first = call(lam, "again", Qualifier=number).value["made"]
    server.kill()
    server.start()
    lam = client(server)
    assert call(lam, "again", Qualifier=number).error is None, "it serves also before the snapshot is there"

    def on():
        config = lam.get_function_configuration(FunctionName="again", Qualifier=number)
        return config["SnapStart"]["OptimizationStatus"] == "On"
    until(on)
    answers = together(lam, "again", number)
    assert all(answer.error is None for answer in answers) and answers[-1].value["made"] != first
    assert "snapshot" in [why(server, answer)["rung"] for answer in answers]


def test_a_template_that_is_killed_is_made_again(server, lam, deploy):
    name = deploy(python(SOURCE), "killed", **SNAPPED)
    before = templates_of(server)
    number = publish(lam, name)["Version"]
    template = (templates_of(server) - before).pop()
    os.kill(template, signal.SIGKILL)
    lost = call(lam, name, Qualifier=number)
    assert lost.error is None and "its snapshot could not be forked" in why(server, lost)["start"]["missed"]

    # One more at once each time, so that one of them is a start.
    more = itertools.count(2)

    def restored():
        answers = together(lam, name, number, next(more))
        return "snapshot" in [why(server, answer)["rung"] for answer in answers]
    until(restored)


def test_a_version_whose_snapshot_cannot_be_taken_again_says_so(server, lam, deploy):
    """Its code has changed on the disk: what was lost cannot be made again."""
    name = deploy(python(SOURCE + "    # given up\n"), "given-up", **SNAPPED)
    before = templates_of(server)
    number = publish(lam, name)["Version"]
    template = (templates_of(server) - before).pop()
    changed = [path for path in server.data.glob("code/**/app.py") if "# given up" in path.read_text()]
    for path in changed:
        path.write_text("import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
                        "def handler(event, context): return 1\n")
    assert changed
    os.kill(template, signal.SIGKILL)
    more = itertools.count(2)

    def off():
        assert all(answer.error is None for answer in together(lam, name, number, next(more)))
        config = lam.get_function_configuration(FunctionName=name, Qualifier=number)
        return config if config["SnapStart"]["OptimizationStatus"] == "Off" else None
    config = until(off)
    reason = "it was lost and could not be taken again: INIT left 2 threads running"
    assert config["State"] == "Active" and config["StateReason"].startswith(f"SnapStart is off: {reason}"), config
    told = send(signed(server, path=f"/_lacewing/why/functions/{name}:{number}")).json()
    assert told["without_snapshot"].startswith(reason), told
