"""One server for each module, clients against it, and the check that it leaves nothing behind."""
import itertools
import os

import pytest

from harness import leftovers
from harness.calls import client, create
from harness.server import BINARY, Server

_names = itertools.count()


def pytest_configure(config):
    if not BINARY or not os.path.exists(BINARY):
        raise pytest.UsageError("LACEWING_BIN names no binary: run these tests with `cargo xtask test --only python`")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="module")
def start_server(tmp_path_factory):
    """Starts servers that are stopped at the module's end, each checked for what it leaves."""
    started = []

    def start(config="", arguments=(), data=None, environment=None):
        data = data or tmp_path_factory.mktemp("lacewing") / "data"
        started.append(Server(data, config, arguments, environment).start())
        return started[-1]

    yield start
    for server in started:
        if server.is_up:
            assert server.stop() == 0, f"did not end well; it said:\n{server.talk}"
        leftovers.assert_gone(server)


@pytest.fixture(scope="module")
def server(request, start_server):
    """The module's server; the module's `CONFIG` and `ARGUMENTS` decide how it is started."""
    return start_server(getattr(request.module, "CONFIG", ""), getattr(request.module, "ARGUMENTS", ()))


@pytest.fixture
def own_server(tmp_path):
    """A server of the test's own, not started yet, for tests that kill it; it never outlives the test."""
    made = []

    def make(config=""):
        made.append(Server(tmp_path / f"data-{len(made)}", config))
        return made[-1]

    yield make
    for server in made:
        if server.process and server.is_up:
            server.kill()


@pytest.fixture(scope="module")
def lam(server):
    return client(server)


@pytest.fixture(scope="module")
def logs(server):
    return client(server, "logs")


@pytest.fixture(scope="module")
def deploy(lam):
    """`deploy(zip, ...)` creates a function under a name of its own and returns the name."""
    def deploy_one(zipped, name=None, **more):
        name = name or f"function-{next(_names)}"
        create(lam, name, zipped, **more)
        return name
    return deploy_one
