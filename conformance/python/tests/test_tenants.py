"""Tenant isolation: a sandbox that has served one tenant serves no other, whatever its function tries to leave there."""
import json
import random
import sqlite3
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from harness.books import cost, quantity
from harness.calls import call, client, create, publish, refused, settled
from harness.commands import aws, lacewing
from harness.packages import NODE, ROLE, package, python
from harness.signing import send, signed
from harness.wait import until

LEAVER = package({"app.py": (Path(__file__).parent.parent / "functions/leaver.py").read_text()})
PER_TENANT = {"TenantIsolationMode": "PER_TENANT"}
MISSING = ("The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try "
           "again.")
UNEXPECTED = ("The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request "
              "and try again.")
TELLS = """
    import json, logging
    log = logging.getLogger()
    def handler(event, context):
        log.warning("TOLD " + json.dumps({"id": context.aws_request_id, "tenant": context.tenant_id, "event": event}))
        if event.get("fail"):
            raise RuntimeError("as told")
        return context.tenant_id
    """

SUBSCRIBER = (Path(__file__).parent.parent / "functions/subscriber.py").read_bytes()
# Shows what its extension has got so far.
SHOWS = """
    import json
    def handler(event, context):
        try:
            return [json.loads(line) for line in open("/tmp/telemetry")]
        except FileNotFoundError:
            return []
    """

needs_node = pytest.mark.skipif(not NODE, reason="no node on this machine")


@pytest.fixture(scope="module")
def isolated(deploy):
    return deploy(LEAVER, "isolated", TenancyConfig=PER_TENANT, Timeout=20)


@pytest.fixture(scope="module")
def shared(deploy):
    return deploy(python(TELLS), "shared")


def check(answers):
    """What each call found is its own tenant's, and each sandbox was one tenant's."""
    homes = defaultdict(set)
    for tenant, answer in answers:
        assert answer["tenant"] == tenant, answer
        assert set(answer["found"]) <= {tenant}, f"{tenant} found {answer['found']}"
        homes[answer["sandbox"]].add(tenant)
    assert all(len(tenants) == 1 for tenants in homes.values()), homes
    return homes


def test_nothing_is_left_for_another_tenant(lam, isolated):
    answers = []
    for tenant in ("blue", "green", "blue", "red", "green", "Blue"):
        answers.append((tenant, call(lam, isolated, TenantId=tenant).value))
    assert len(check(answers)) == 4, "names differ by case too"
    again = [answer for tenant, answer in answers if tenant == "blue"][1]
    assert again["found"] == ["blue"] and again["calls"] == 2, "its own tenant finds what it left: it came back warm"


def test_many_tenants_at_once_keep_apart(lam, isolated):
    tenants = [f"tenant {n}/@:=+._-" for n in range(6)]
    order = tenants * 12
    random.Random(27).shuffle(order)
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(
            lambda tenant: (tenant, call(lam, isolated, {"s": 0.02}, tail=False, TenantId=tenant).value), order))
    homes = check(answers)
    assert len(homes) < len(order), "and some calls were warm"


def test_a_small_machine_makes_room_among_tenants(own_server):
    server = own_server("[scaling]\nmemory_mib = 512\nprepared_most = 0\n")
    server.start()
    lam = client(server)
    create(lam, "isolated", LEAVER, TenancyConfig=PER_TENANT, MemorySize=128)
    create(lam, "neighbour", python(TELLS), MemorySize=128)
    answers = []
    for round_ in range(2):
        for n in range(9):
            answers.append((f"t{n}", call(lam, "isolated", TenantId=f"t{n}").value))
        assert call(lam, "neighbour").value is None
    assert len(check(answers)) >= 9
    with ThreadPoolExecutor(9) as crowd:
        crowded = crowd.map(lambda n: (f"t{n % 9}", call(lam, "isolated", tail=False, TenantId=f"t{n % 9}").value), range(36))
        check(answers + list(crowded))
    server.stop()


@needs_node
def test_node_functions_are_told_their_tenant(lam, logs, deploy):
    name = deploy(package({"index.js": "let seen = []; exports.handler = async (event, context) => "
                                       "{ console.log('TOLD'); seen.push(context.tenantId); return seen; };"}),
                  "isolated-node", runtime=NODE, handler="index.handler", TenancyConfig=PER_TENANT,
                  LoggingConfig={"LogFormat": "JSON"})
    assert [call(lam, name, TenantId=tenant).value for tenant in ("a", "b", "a")] == [["a"], ["b"], ["a", "a"]]
    records = until(lambda: [record for record in lines(logs, name) if record.get("message") == "TOLD"])
    assert {record["tenantId"] for record in records} <= {"a", "b"}


@needs_node
def test_streams_are_the_tenants_own(lam, deploy):
    source = "let seen = []; exports.handler = awslambda.streamifyResponse(async (event, out, context) => " \
             "{ seen.push(context.tenantId); out.write(JSON.stringify(seen)); out.end(); });"
    name = deploy(package({"index.js": source}), "isolated-stream", runtime=NODE, handler="index.handler",
                  TenancyConfig=PER_TENANT)

    def streamed(tenant):
        stream = lam.invoke_with_response_stream(FunctionName=name, TenantId=tenant, Payload=b"{}")["EventStream"]
        return json.loads(b"".join(event["PayloadChunk"]["Payload"] for event in stream if "PayloadChunk" in event))

    assert [streamed(tenant) for tenant in ("a", "b", "a")] == [["a"], ["b"], ["a", "a"]]
    assert refused(lam.invoke_with_response_stream, FunctionName=name)[2] == MISSING


def test_a_call_without_its_tenant_is_refused_in_awss_words(lam, isolated, shared):
    for kind in ("RequestResponse", "Event", "DryRun"):
        without = refused(lam.invoke, FunctionName=isolated, InvocationType=kind)
        assert without == (400, "InvalidParameterValueException", MISSING), kind
        unexpected = refused(lam.invoke, FunctionName=shared, InvocationType=kind, TenantId="a")
        assert unexpected == (400, "InvalidParameterValueException", UNEXPECTED), kind
    assert refused(lam.invoke_async, FunctionName=isolated, InvokeArgs=b"{}")[2] == MISSING
    assert lam.invoke(FunctionName=isolated, InvocationType="DryRun", TenantId="a")["StatusCode"] == 204


@pytest.mark.parametrize("tenant", ["a,b", "x" * 257, "{}", "*"])
def test_a_tenant_id_of_another_form_is_refused(lam, isolated, tenant):
    status, kind, text = refused(lam.invoke, FunctionName=isolated, TenantId=tenant)
    assert (status, kind) == (400, "ValidationException") and "at 'tenantId' failed to satisfy constraint" in text


def test_the_longest_tenant_id_is_taken(lam, isolated):
    assert call(lam, isolated, TenantId="x" * 256).value["tenant"] == "x" * 256


def test_the_mode_is_shown_kept_and_for_good(lam, isolated, shared):
    assert lam.get_function_configuration(FunctionName=isolated)["TenancyConfig"] == PER_TENANT
    assert lam.get_function(FunctionName=isolated)["Configuration"]["TenancyConfig"] == PER_TENANT
    assert "TenancyConfig" not in lam.get_function_configuration(FunctionName=shared)
    listed = {one["FunctionName"]: one.get("TenancyConfig") for one in lam.list_functions()["Functions"]}
    assert (listed[isolated], listed[shared]) == (PER_TENANT, None)
    assert lam.update_function_configuration(FunctionName=isolated, Description="other")["TenancyConfig"] == PER_TENANT
    settled(lam, isolated)
    assert lam.update_function_code(FunctionName=isolated, ZipFile=LEAVER)["TenancyConfig"] == PER_TENANT
    settled(lam, isolated)
    version = publish(lam, isolated)
    assert version["TenancyConfig"] == PER_TENANT
    lam.create_alias(FunctionName=isolated, Name="live", FunctionVersion=version["Version"])
    assert call(lam, isolated, TenantId="a", Qualifier="live").value["tenant"] == "a"
    assert refused(lam.invoke, FunctionName=isolated, Qualifier="live")[2] == MISSING


@pytest.mark.parametrize("config, part", [({}, "Value null at 'tenancyConfig.tenantIsolationMode'"),
                                          ({"TenantIsolationMode": "PER_USER"}, "enum value set: [PER_TENANT]")])
def test_a_mode_that_does_not_exist_is_refused(lam, config, part):
    status, kind, text = refused(lam.create_function, FunctionName="never", Role=ROLE, Runtime="python3.13",
                                 Handler="app.handler", Code={"ZipFile": LEAVER}, TenancyConfig=config)
    assert (status, kind) == (400, "ValidationException") and part in text


def test_what_does_not_go_with_tenants_is_refused(lam, isolated):
    version = publish(lam, isolated)["Version"]
    snap = {"ApplyOn": "PublishedVersions"}
    source = "arn:aws:sqs:us-east-1:000000000000:q"
    for action, more, what in [
        (lam.create_function_url_config, {"AuthType": "NONE"}, "FunctionUrl"),
        (lam.put_provisioned_concurrency_config, {"Qualifier": version, "ProvisionedConcurrentExecutions": 1},
         "Provisioned Concurrency"),
        (lam.update_function_configuration, {"SnapStart": snap}, "SnapStart"),
        (lam.create_event_source_mapping, {"EventSourceArn": source}, "An event source mapping"),
    ]:
        want = (400, "InvalidParameterValueException",
                f"{what} is not supported for functions with tenant isolation mode")
        assert refused(action, FunctionName=isolated, **more) == want
    both = refused(create, lam, "both", LEAVER, TenancyConfig=PER_TENANT, SnapStart=snap)
    assert both[2] == "SnapStart is not supported for functions with tenant isolation mode"


def lines(logs, name):
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        messages = [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(message) for message in messages if message.startswith("{")]


def test_json_records_name_the_tenant(lam, logs, deploy):
    name = deploy(python(TELLS), "isolated-json", TenancyConfig=PER_TENANT,
                  LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG"})
    assert [call(lam, name, TenantId=tenant).value for tenant in ("a", "b")] == ["a", "b"]

    def told():
        records = lines(logs, name)
        kinds = {kind: sorted(record["record"]["tenantId"] for record in records if record.get("type") == kind)
                 for kind in ("platform.start", "platform.runtimeDone", "platform.report")}
        kinds["own"] = sorted(record["tenantId"] for record in records if "TOLD" in record.get("message", ""))
        return all(tenants == ["a", "b"] for tenants in kinds.values())

    until(told)


def test_extensions_find_the_tenant_in_telemetry(lam, deploy):
    layer = lam.publish_layer_version(LayerName="hears-of-tenants",
                                      Content={"ZipFile": package({"extensions/listens": (SUBSCRIBER, 0o755)})})
    name = deploy(python(SHOWS), "isolated-telemetry", Layers=[layer["LayerVersionArn"]], TenancyConfig=PER_TENANT,
                  Environment={"Variables": {"SUBSCRIBE": "{}"}})
    for tenant in ("a", "b"):
        def told():
            events = call(lam, name, tail=False, TenantId=tenant).value
            of = [event for event in events if event["type"] in ("platform.start", "platform.report")]
            return of if any(event["type"] == "platform.report" for event in of) else None

        assert {event["record"].get("tenantId") for event in until(told)} == {tenant}


def test_environments_of_tenants_are_billed_once_each(server, lam, deploy):
    name = deploy(LEAVER, "billed", TenancyConfig=PER_TENANT, MemorySize=256)
    answers = [(tenant, call(lam, name, TenantId=tenant).value) for tenant in ("a", "b", "a", "b", "c", "a")]
    homes = check(answers)
    bill = cost(server)
    assert quantity(bill, "tenant-environments", name) == Decimal(len(homes)) * 256 / 1024
    line = next(line for line in bill["lines"] if (line["function"], line["meter"]) == (name, "tenant-environments"))
    assert Decimal(line["cost"]) == Decimal(line["quantity"]) * Decimal("0.000166667") and line["unit"] == "GB"
    assert quantity(bill, "tenant-environments", "shared") == 0


def test_a_call_tells_its_tenant_and_metrics_tell_none(server, lam, isolated):
    answer = call(lam, isolated, TenantId="a-name-of-its-own")
    reply = send(signed(server, path=f"/_lacewing/why/requests/{answer.request_id}"))
    assert reply.json()["tenant"] == "a-name-of-its-own"
    assert "for the tenant a-name-of-its-own" in lacewing(server, "why", answer.request_id).stdout
    token = (server.data / "metrics-token").read_text().strip()
    page = requests.get(server.url + "/_lacewing/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert isolated in page.text and "a-name-of-its-own" not in page.text, "labels are bounded"


def test_the_commands_name_a_tenant(server, lam, isolated, tmp_path):
    out = tmp_path / "answer.json"
    aws(server, "lambda", "invoke", "--function-name", isolated, "--tenant-id", "by-aws", str(out))
    assert json.loads(out.read_text())["tenant"] == "by-aws"
    assert json.loads(lacewing(server, "invoke", isolated, "--tenant-id", "by-lacewing").stdout)["tenant"] == "by-lacewing"
    assert MISSING in lacewing(server, "invoke", isolated, expect=None).stderr
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return context.tenant_id\n")
    lacewing(server, "deploy", str(tmp_path / "app.py"), "--name", "by-deploy", "--per-tenant")
    assert lacewing(server, "invoke", "by-deploy", "--tenant-id", "one").stdout == '"one"\n'
    lacewing(server, "deploy", str(tmp_path / "app.py"), "--name", "by-deploy", "--timeout", "5")
    assert lam.get_function_configuration(FunctionName="by-deploy")["TenancyConfig"] == PER_TENANT
    lacewing(server, "deploy", str(tmp_path / "app.py"), "--name", "all-alike")
    late = lacewing(server, "deploy", str(tmp_path / "app.py"), "--name", "all-alike", "--per-tenant", expect=None)
    assert late.returncode != 0 and "chosen for good" in late.stderr


def rows(server, question):
    with sqlite3.connect(f"file:{server.data}/lacewing.db?mode=ro", uri=True) as database:
        return database.execute(question).fetchall()


def test_events_keep_their_tenant_through_kills_and_retries(own_server):
    server = own_server()
    server.start()
    lam, sent = client(server), {}
    create(lam, "told", python(TELLS), TenancyConfig=PER_TENANT, LoggingConfig={"LogFormat": "JSON"})

    def send_one(tenant, event):
        reply = lam.invoke(FunctionName="told", InvocationType="Event", TenantId=tenant, Payload=json.dumps(event))
        assert reply["StatusCode"] == 202
        sent[reply["ResponseMetadata"]["RequestId"]] = tenant
        return reply["ResponseMetadata"]["RequestId"]

    for round_ in range(2):
        for n in range(24):
            send_one(f"tenant-{n % 4}", {"n": n})
        server.kill()
        server.start()
        lam = client(server)
        settled(lam, "told")
    failing = send_one("tenant-of-a-retry", {"fail": True})
    until(lambda: rows(server, "SELECT id, failures FROM events") == [(failing, 1)])
    assert rows(server, "SELECT tenant FROM events") == [("tenant-of-a-retry",)]
    # Its retry is due in a minute: the clock is turned in the table, between two servers.
    server.kill()
    with sqlite3.connect(server.data / "lacewing.db") as database:
        database.execute("UPDATE events SET due_ms = 0")
    server.start()
    until(lambda: rows(server, "SELECT id, failures FROM events") == [(failing, 2)])
    logs = client(server, "logs")

    def heard():
        records = [record["message"] for record in lines(logs, "told") if "TOLD" in record.get("message", "")]
        return [json.loads(message.split("TOLD ", 1)[1]) for message in records]

    # A kill may take the last second of lines with it, and the events that were done by then do not come again.
    until(lambda: any(line["id"] == failing for line in heard()))
    for line in heard():
        assert line["tenant"] == sent[line["id"]], line
    bill = cost(server)
    assert quantity(bill, "requests", "told") >= len(sent) + 1, "each ran at least once"
    server.stop()
