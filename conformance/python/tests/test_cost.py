"""The bill is the sum of the records, to the last millisecond and the last digit."""
from decimal import Decimal

import pytest

from harness.books import cost, quantity
from harness.calls import call, client, create
from harness.packages import NATIVE, guest, python

GB_SECOND, REQUEST, TMP_GB_SECOND = Decimal("0.0000166667"), Decimal("0.20") / 1_000_000, Decimal("0.0000000309")
WORKS = """
    import time
    def handler(event, context):
        time.sleep(event.get("s", 0))
        if event.get("fail"):
            raise ValueError("costs the same")
        return "x" * event.get("bytes", 1)
    """


@pytest.fixture(scope="module")
def spent(lam, deploy):
    """Calls of every kind; answers the billed milliseconds that their REPORT lines told, by function."""
    told = {}
    for name, memory, tmp in (("small", 128, 512), ("large", 1024, 512), ("roomy", 256, 1024)):
        deploy(python(WORKS), name, MemorySize=memory, EphemeralStorage={"Size": tmp}, Timeout=1)
        told[name] = [int(call(lam, name, event).report["billed"]) for event in (
            {}, {}, {"s": 0.05}, {"fail": True}, {"bytes": 5000}, {"s": 3}, {})]
    return told


def test_every_call_is_one_request(server, spent):
    bill = cost(server)
    for name, told in spent.items():
        assert quantity(bill, "requests", name) == len(told)


def test_durations_are_the_sum_of_the_reports(server, spent):
    bill = cost(server)
    for name, memory in (("small", 128), ("large", 1024), ("roomy", 256)):
        exact = Decimal(sum(spent[name])) * memory / 1024 / 1000
        assert quantity(bill, "duration", name) == exact, name


def test_tmp_above_512_is_metered(server, spent):
    bill = cost(server)
    assert quantity(bill, "ephemeral-storage", "roomy") == Decimal(sum(spent["roomy"])) * 512 / 1024 / 1000
    assert quantity(bill, "ephemeral-storage", "small") == 0


def test_lines_and_total_are_exact(server, spent):
    bill = cost(server)
    total = Decimal(0)
    for line in bill["lines"]:
        price = {"requests": REQUEST, "duration": GB_SECOND, "ephemeral-storage": TMP_GB_SECOND}[line["meter"]]
        assert Decimal(str(line["cost"])) == Decimal(str(line["quantity"])) * price, line
        total += Decimal(str(line["cost"]))
    assert Decimal(str(bill["total"])) == total and bill["currency"] == "USD"


def test_what_ran_nothing_costs_nothing(server, lam, deploy):
    name = deploy(python(WORKS), "untouched")
    lam.invoke(FunctionName=name, InvocationType="DryRun")
    bill = cost(server)
    assert quantity(bill, "requests", name) == 0
    assert not [line for line in bill["lines"] if line["function"] == name]


def test_a_bill_of_one_function_and_of_another_time(server, spent):
    one = cost(server, "?function=small")
    assert {line["function"] for line in one["lines"]} == {"small"}
    assert cost(server, "?to=2001-01-01T00%3A00%3A00Z&from=2000-01-01T00%3A00%3A00Z")["lines"] == []


def test_many_calls_add_up(server, lam, deploy):
    name = deploy(guest(), "counted", runtime=NATIVE, handler="bootstrap")
    told = [int(call(lam, name).report["billed"]) for _ in range(200)]
    bill = cost(server)
    assert quantity(bill, "requests", name) == 200
    assert quantity(bill, "duration", name) == Decimal(sum(told)) * 128 / 1024 / 1000


def test_the_bill_is_the_same_after_a_restart(start_server):
    server = start_server()
    lam = client(server)
    create(lam, "kept", python(WORKS))
    for _ in range(3):
        call(lam, "kept")
    before = cost(server)
    assert server.stop() == 0
    server.start()
    after = cost(server)
    assert [after["lines"], after["total"]] == [before["lines"], before["total"]]
