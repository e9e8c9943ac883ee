"""A thousand sandboxes started and ended leave nothing on the machine; nor do those of a server that was killed."""
import os
import threading

import pytest

from harness import leftovers
from harness.calls import call, client, create
from harness.packages import NATIVE, guest, python
from harness.server import Server
from harness.wait import until

SANDBOXES, AT_ONCE = 1_000, 8
pytestmark = pytest.mark.root


def state(server) -> dict:
    """What a sandbox could leave behind, counted."""
    return {"cgroups": len(leftovers.cgroups(server)), "mounts": len(leftovers.mounts("")), "links": leftovers.links(),
            "namespaces": leftovers.namespaces(), "processes": len(leftovers.tree(server.pid)),
            "descriptors": len(os.listdir(f"/proc/{server.pid}/fd")), "run": len(leftovers.files(server.data / "run"))}


@pytest.mark.timeout(300)
def test_a_thousand_sandboxes_leave_nothing(tmp_path):
    """Nothing is kept warm, and each caller has a function of its own: every call is a sandbox."""
    server = Server(tmp_path / "data", "[scaling]\nkeep_alive_seconds = 0\n").start()
    lam = client(server)
    for caller in range(AT_ONCE):
        create(lam, f"once-{caller}", guest(), runtime=NATIVE, handler="bootstrap", Timeout=20)
        call(lam, f"once-{caller}")
    until(lambda: len(leftovers.tree(server.pid) - leftovers.processes_that_serve()) == 0, 20, "idle sandboxes are kept")
    before = state(server)
    failures = []

    def some(caller):
        try:
            for i in range(SANDBOXES // AT_ONCE):
                answer = call(lam, f"once-{caller}", {"do": "exit"} if i % 10 == 0 else {"name": "ada"})
                assert answer.report["init"] is not None, "was warm"
        except Exception as error:  # noqa: BLE001 - told at the end
            failures.append(repr(error))

    threads = [threading.Thread(target=some, args=(caller,)) for caller in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert not failures, failures[:3]
    until(lambda: len(leftovers.tree(server.pid) - leftovers.processes_that_serve()) == 0, 20, "sandboxes are kept")
    after = lambda: state(server)
    until(lambda: all(after()[key] <= before[key] for key in ("cgroups", "mounts", "namespaces", "processes", "run")), 20,
          lambda: f"before {before}\nafter {after()}")
    assert after()["links"] == before["links"] and after()["descriptors"] <= before["descriptors"] + 10
    assert server.stop() == 0
    leftovers.assert_gone(server)


def test_a_killed_server_takes_its_sandboxes_along(tmp_path):
    server = Server(tmp_path / "data").start()
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


def test_a_killed_spawner_takes_its_sandboxes_along(tmp_path):
    """Without its spawner a server can start nothing more; its next start sweeps what is left."""
    server = Server(tmp_path / "data").start()
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
