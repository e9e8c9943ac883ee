"""The same server as an ordinary user: through a user namespace, as far as the kernel grants it."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from harness import images, leftovers
from harness.calls import call, client, create, settled
from harness.packages import NATIVE, ROLE, guest, python
from harness.server import BINARY, Server

pytestmark = pytest.mark.root
USER = 61_234  # no entry in the user database: nothing of the machine is theirs


@pytest.fixture
def ordinary():
    """Makes servers of an ordinary user in a folder that is theirs; the binary is copied to where they can read it."""
    home = Path(tempfile.mkdtemp(prefix="lacewing-ordinary-"))
    binary = home / "lacewing"
    shutil.copy(BINARY, binary)
    (home / "data").mkdir()
    for path in (home, home / "data", binary):
        os.chown(path, USER, USER)
        path.chmod(0o755)
    made = []

    def make(*arguments):
        made.append(Server(home / "data", arguments=arguments, binary=binary, user=USER, group=USER, extra_groups=[],
                           environment={"HOME": str(home)}))
        return made[-1]

    yield make
    for server in made:
        if server.process and server.is_up:
            server.kill()
    shutil.rmtree(home, ignore_errors=True)


def test_an_image_runs_on_its_own_root(ordinary):
    server = ordinary()
    layout = server.data.parent / "layout"
    source = ("import json, os, urllib.request\nbase = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/invocation/'\n"
              "while True:\n"
              "    with urllib.request.urlopen(base + 'next') as event:\n"
              "        id = event.headers['Lambda-Runtime-Aws-Request-Id']\n"
              "    answer = json.dumps([sorted(os.listdir('/')), open('/dev/null').read(), os.access('/', os.W_OK)])\n"
              "    urllib.request.urlopen(base + id + '/response', answer.encode()).close()\n")
    image = images.Image(images.python_root(), images.layer(images.file("app.py", source)),
                         Entrypoint=["/usr/bin/python3", "/app.py"])
    images.write_layout(layout, {"v1": image})
    config = server.data.parent / "config.toml"
    config.write_text(f'[images.layouts]\n"team/app" = "{layout}"\n')
    server.arguments += ["--config", str(config)]
    lam = client(server.start())
    lam.create_function(FunctionName="image", Role=ROLE, PackageType="Image", Code={"ImageUri": "team/app:v1"},
                        Timeout=10, MemorySize=256, Architectures=[images.ARCHITECTURE])
    settled(lam, "image")
    names, null, writable = call(lam, "image").value
    assert names == ["app.py", "bin", "dev", "etc", "lib", "lib64", "proc", "tmp", "usr"] and null == ""
    assert not writable
    lam.delete_function(FunctionName="image")
    assert server.stop() == 0
    leftovers.assert_gone(server)


def test_functions_run_behind_what_walls_there_are(ordinary):
    server = ordinary().start()
    assert os.stat(f"/proc/{server.pid}").st_uid == USER
    lam = client(server)
    create(lam, "native", guest(), runtime=NATIVE, handler="bootstrap")
    assert call(lam, "native", {"name": "ada"}).value == {"message": "hello ada"}
    source = """
        import os
        def handler(event, context):
            namespaces = {name: os.readlink("/proc/self/ns/" + name) for name in ("user", "pid", "mnt", "net", "ipc", "uts")}
            status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
            return {"namespaces": namespaces, "caps": status["CapEff"], "seccomp": status["Seccomp"].strip(),
                    "seen": [path for path in ("/etc/shadow", "/root", event["data"]) if os.access(path, os.R_OK)],
                    "homes": os.listdir("/home")}
        """
    create(lam, "looks", python(source))
    value = call(lam, "looks", {"data": str(server.data)}).value
    for name, inside in value["namespaces"].items():
        assert inside != os.readlink(f"/proc/self/ns/{name}"), name
    assert int(value["caps"], 16) == 0 and value["seccomp"] == "2" and value["seen"] == []
    assert value["homes"] == ["sbx_user1051"], "its own, with nothing of the host's beside it"
    assert server.stop() == 0
    assert not leftovers.cgroups(server)


def test_full_isolation_is_refused_with_what_is_missing(ordinary):
    server = ordinary("--require-isolation", "full")
    with pytest.raises(AssertionError) as refused:
        server.start()
    assert "isolation" in str(refused.value) and "doctor" in str(refused.value)


def test_root_is_granted_full_isolation_or_told_why_not(tmp_path):
    server = Server(tmp_path / "data", arguments=["--require-isolation", "full"])
    try:
        server.start()
        assert server.stop() == 0
    except AssertionError as refused:
        assert "isolation" in str(refused)
