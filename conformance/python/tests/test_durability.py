"""`kill -9` at any moment: functions stay, and no call that was answered is missing from the books."""
import random
import threading
import time

import botocore.exceptions
import pytest

from harness import leftovers
from harness.books import cost, quantity
from harness.calls import call, client, create, settled
from harness.packages import NATIVE, guest, python
from harness.server import Server
from harness.wait import until

ROUNDS = 8
GONE = (botocore.exceptions.EndpointConnectionError, botocore.exceptions.ConnectionClosedError,
        botocore.exceptions.ReadTimeoutError, botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)
HELLO = python("def handler(event, context): return 'hello'")


def test_functions_are_there_after_a_restart(own_server):
    server = own_server().start()
    lam = client(server)
    create(lam, "kept", HELLO, Description="d", Environment={"Variables": {"A_KEY": "v"}}, Tags={"t": "1"}, MemorySize=192)
    before = lam.get_function(FunctionName="kept")
    assert server.stop() == 0
    server.start()
    lam = client(server)
    after = lam.get_function(FunctionName="kept")
    for reply in (before, after):
        reply.pop("ResponseMetadata")
        reply["Code"].pop("Location")
    assert after == before and call(lam, "kept").value == "hello"
    assert server.stop() == 0
    leftovers.assert_gone(server)


def test_killed_at_random_moments_nothing_that_was_acknowledged_is_lost(own_server):
    """One thread deploys, another calls; the server dies in the middle; each round starts it again."""
    randomly = random.Random(2026)
    server = own_server()
    acknowledged, deleted, answered, unanswered = {}, set(), 0, 0
    for round_number in range(ROUNDS):
        server.start()
        lam = client(server, read_timeout=20)
        listed = {f["FunctionName"]: f["CodeSha256"] for page in lam.get_paginator("list_functions").paginate()
                  for f in page["Functions"]}
        for name, sha in acknowledged.items():
            assert listed.get(name) in sha, f"round {round_number}: {name} was acknowledged and is lost"
        assert not deleted & set(listed), "a deleted function came back"
        if round_number == 0:
            create(lam, "caller", guest(), runtime=NATIVE, handler="bootstrap")
            acknowledged["caller"] = {lam.get_function_configuration(FunctionName="caller")["CodeSha256"]}
        else:
            settled(lam, "caller")
        counts = {"answered": 0, "sent": 0}
        stop = threading.Event()
        workers = [threading.Thread(target=keep_calling, args=(lam, counts, stop)),
                   threading.Thread(target=keep_deploying, args=(lam, round_number, acknowledged, deleted, stop))]
        for worker in workers:
            worker.start()
        time.sleep(randomly.uniform(0.05, 0.9))  # the random moment itself
        server.kill()
        stop.set()
        for worker in workers:
            worker.join(30)
        answered += counts["answered"]
        unanswered += counts["sent"] - counts["answered"]
    server.start()
    recorded = quantity(cost(server), "requests", function="caller")
    assert answered <= recorded <= answered + unanswered, "the books do not match what callers were answered"
    assert answered > 0
    lam = client(server)
    for name, allowed in acknowledged.items():
        if None in allowed:
            continue  # its deletion was under way
        settled(lam, name)
        assert call(lam, name, {"name": "ada"}).error is None
    assert server.stop() == 0
    leftovers.assert_gone(server)


def keep_calling(lam, counts, stop):
    while not stop.is_set():
        counts["sent"] += 1
        try:
            call(lam, "caller", {"name": "ada"}, tail=False)
            counts["answered"] += 1
        except GONE:
            return


def keep_deploying(lam, round_number, acknowledged, deleted, stop):
    for i in range(50):
        name = f"r{round_number}-{i}"
        try:
            reply = create(lam, name, HELLO, active=False)
            acknowledged[name] = {reply["CodeSha256"]}
            if i % 3 == 1:
                # From here on both are right, until the deletion is acknowledged.
                acknowledged[name].add(None)
                lam.delete_function(FunctionName=name)
                del acknowledged[name]
                deleted.add(name)
        except GONE:
            return
        if stop.is_set():
            return


def test_a_start_after_a_kill_finds_the_place_swept(own_server):
    server = own_server().start()
    lam = client(server)
    create(lam, "busy", python("import time\ndef handler(event, context): time.sleep(20)"), Timeout=30)
    threads = [threading.Thread(target=swallow, args=(lam,), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(leftovers.tree(server.pid)) >= 4, 10, "no sandbox was started")
    server.kill()
    # Children die with their parent; what the kernel cannot free so is swept at the next start.
    until(lambda: not leftovers.processes_of_binary(), 10,
          lambda: f"processes outlived the server: {leftovers.described(leftovers.processes_of_binary())}")
    server.start()
    assert server.stop() == 0
    leftovers.assert_gone(server)


def swallow(lam):
    try:
        call(lam, "busy")
    except GONE:
        pass


def test_two_servers_cannot_share_a_data_dir(own_server):
    first = own_server().start()
    second = Server(first.data)
    with pytest.raises(AssertionError, match="in use|another|locked|already"):
        second.start()
    assert client(first).list_functions()["Functions"] == []
    assert first.stop() == 0
