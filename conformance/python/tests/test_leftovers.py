"""A thousand sandboxes started and ended leave nothing on the machine; nor do those of a server that was killed."""
import concurrent.futures
import os
import threading

import pytest

from harness import leftovers
from harness.calls import call, client, create, settled
from harness.packages import NATIVE, guest, python
from harness.wait import until

SANDBOXES, AT_ONCE = 1_000, 40
pytestmark = pytest.mark.root


def state(server) -> dict:
    """What a sandbox could leave behind, counted."""
    return {"cgroups": len(leftovers.cgroups(server)), "mounts": len(leftovers.mounts("")), "links": leftovers.links(),
            "namespaces": leftovers.namespaces(), "processes": len(leftovers.tree(server.pid)),
            "descriptors": len(os.listdir(f"/proc/{server.pid}/fd")), "run": len(leftovers.files(server.data / "run"))}


@pytest.mark.timeout(300)
def test_a_thousand_sandboxes_leave_nothing(own_server):
    """Rounds of calls at once, each in a sandbox of its own that ends right after, some by their own exit."""
    server = own_server("[scaling]\nkeep_alive_seconds = 1\nprepared_most = 0\n").start()
    lam = client(server)
    create(lam, "once", guest(), runtime=NATIVE, handler="bootstrap", Timeout=20)
    once(lam, "name")
    none_left = lambda: not leftovers.in_sandboxes(leftovers.tree(server.pid))
    until(none_left, 20, "idle sandboxes are kept")
    before, started = state(server), 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as callers:
        for _ in range(4 * SANDBOXES // AT_ONCE):
            wishes = ["exit" if i % 10 == 0 else "name" for i in range(AT_ONCE)]
            started += sum(callers.map(lambda wish: once(lam, wish), wishes))
            if started >= SANDBOXES:
                break
            # A change retires what is idle, so that the next round starts from nothing.
            lam.update_function_configuration(FunctionName="once", Description=str(started))
            settled(lam, "once")
    assert started >= SANDBOXES
    until(none_left, 20, "sandboxes are kept")
    after = lambda: state(server)
    until(lambda: all(after()[key] <= before[key] for key in ("cgroups", "mounts", "namespaces", "processes", "run")), 20,
          lambda: f"before {before}\nafter {after()}")
    assert after()["links"] == before["links"] and after()["descriptors"] <= before["descriptors"] + AT_ONCE
    assert server.stop() == 0
    leftovers.assert_gone(server)


def once(lam, wish) -> bool:
    """One call that takes a moment; true when a sandbox was started for it."""
    answer = call(lam, "once", {"do": wish, "sleep_ms": 150})
    assert answer.status == 200
    return answer.report["init"] is not None


def test_a_killed_server_takes_its_sandboxes_along(own_server):
    server = own_server().start()
    lam = client(server)
    create(lam, "stays", python("import time\ndef handler(event, context): time.sleep(event.get('s', 0))"), Timeout=60)
    threads = [threading.Thread(target=quietly, args=(lam,), daemon=True) for _ in range(10)]
    for thread in threads:
        thread.start()
    until(lambda: len(leftovers.tree(server.pid) - leftovers.processes_that_serve()) >= 10, 20, "no sandboxes")
    sandboxed = leftovers.tree(server.pid)
    server.kill()
    gone = lambda: [pid for pid in sandboxed if os.path.exists(f"/proc/{pid}") and leftovers.state_of(pid) != "Z"]
    until(lambda: not gone(), 10, lambda: f"outlived the server: {leftovers.described(gone())}")
    server.start()
    leftovers.assert_swept(server)
    assert server.stop() == 0
    leftovers.assert_gone(server)


def test_a_killed_spawner_takes_its_sandboxes_along(own_server):
    """Without its spawner a server can start nothing more; its next start sweeps what is left."""
    server = own_server().start()
    lam = client(server)
    create(lam, "stays", python("def handler(event, context): return 1"))
    call(lam, "stays")
    spawner = (leftovers.processes_that_serve() & leftovers.tree(server.pid)) - {server.pid}
    assert spawner, "no spawner below the server"
    sandboxed = leftovers.tree(server.pid) - spawner - {server.pid}
    for pid in spawner:
        os.kill(pid, 9)
    gone = lambda: [pid for pid in sandboxed if os.path.exists(f"/proc/{pid}") and leftovers.state_of(pid) != "Z"]
    until(lambda: not gone(), 10, lambda: f"outlived the spawner: {leftovers.described(gone())}")
    if server.is_up:
        server.stop()
    server.start()
    assert call(client(server), "stays").value == 1
    assert server.stop() == 0
    leftovers.assert_gone(server)


def quietly(lam):
    try:
        call(lam, "stays", {"s": 30})
    except Exception:  # noqa: BLE001 - the server is killed on purpose
        pass
