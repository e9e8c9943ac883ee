"""Registries: encrypted with an authority of one's own, with tokens, and with the logins that Docker's configuration knows."""
import base64
import json
import os
import subprocess
import textwrap

import pytest

from harness.calls import call, client, refused, settled
from harness.images import ARCHITECTURE, Image, Registry, file, folder, layer, python_root
from harness.packages import ROLE
from harness.server import Server

LOGIN = ("reader", "a-password-of-the-tests")
CLIENT = textwrap.dedent("""
    import json, os, urllib.request
    base = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
    while True:
        with urllib.request.urlopen(base + "next") as event:
            id = event.headers["Lambda-Runtime-Aws-Request-Id"]
        urllib.request.urlopen(base + id + "/response", json.dumps("ran").encode()).close()
""")


def image():
    return Image(python_root(), layer(folder("app"), file("app/client.py", CLIENT)),
                 Entrypoint=["/usr/bin/python3", "/app/client.py"])


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=cwd)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """An authority of one's own and a certificate for 127.0.0.1 that it signed: `(ca, (certificate, key))`."""
    home = tmp_path_factory.mktemp("authority")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-days", "2", "-subj", "/CN=an authority of the tests", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "keyUsage=critical,keyCertSign", cwd=home)
    openssl("req", *curve, "-subj", "/CN=registry", "-keyout", "key.pem", "-out", "request.pem", cwd=home)
    (home / "extensions").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "extensions", "-out", "cert.pem", cwd=home)
    return home / "ca.pem", (home / "cert.pem", home / "key.pem")


@pytest.fixture(scope="module")
def registries(authority):
    """Encrypted ones: for anybody, with passwords, with tokens."""
    made = [Registry(certificate=authority[1]), Registry(LOGIN, certificate=authority[1]),
            Registry(LOGIN, tokens=True, certificate=authority[1])]
    for one in made:
        one.push("team/app", "v1", image())
    yield made
    for one in made:
        one.close()


def make(lam, name, uri):
    lam.create_function(FunctionName=name, Role=ROLE, PackageType="Image", Code={"ImageUri": uri}, Timeout=10, MemorySize=256,
                        Architectures=[ARCHITECTURE])
    settled(lam, name)
    return call(lam, name).value


def assert_forbidden(lam, name, uri):
    status, kind, text = refused(make, lam, name, uri)
    assert (status, kind) == (400, "InvalidParameterValueException") and "does not have permission to access" in text, text
    assert LOGIN[1] not in text


def test_encrypted_registries_are_asked_with_an_authority_of_ones_own(start_server, registries, authority):
    everybody, passwords, tokens = (one.name for one in registries)
    login = f'username = "{LOGIN[0]}"\npassword = "{LOGIN[1]}"\n'
    server = start_server("".join([
        f'[images.registries."{everybody}"]\nca_file = "{authority[0]}"\n',
        f'[images.registries."passwords.example"]\nmirror = "{passwords}"\nca_file = "{authority[0]}"\n{login}',
        f'[images.registries."tokens.example"]\nmirror = "{tokens}"\nca_file = "{authority[0]}"\n{login}',
        f'[images.registries."wrong.example"]\nmirror = "{tokens}"\nca_file = "{authority[0]}"\n',
        'username = "reader"\npassword = "wrong"\n',
        f'[images.registries."nobody.example"]\nmirror = "{tokens}"\nca_file = "{authority[0]}"\n',
    ]))
    lam = client(server)
    assert make(lam, "everybody", f"{everybody}/team/app:v1") == "ran"
    assert make(lam, "passwords", "passwords.example/team/app:v1") == "ran"
    assert make(lam, "tokens", "tokens.example/team/app:v1") == "ran"
    asked = [path for path in registries[2].asked if path.startswith("/token")]
    assert asked and all("repository" in path and "team" in path for path in asked), asked
    assert_forbidden(lam, "wrong", "wrong.example/team/app:v1")
    assert_forbidden(lam, "nobody", "nobody.example/team/app:v1")


def test_an_authority_that_nobody_knows_is_not_trusted(start_server, registries, authority):
    # Not by its name on this machine, which would be asked in the clear.
    server = start_server(f'[images.registries."{registries[0].name}"]\n[images.registries."r.example"]\n'
                          f'mirror = "{registries[0].name}"\nca_file = "{other_authority(authority[0].parent)}"\n')
    for host in (registries[0].name, "r.example"):
        status, kind, text = refused(make, client(server), "untrusted", f"{host}/team/app:v1")
        assert (status, kind) == (400, "InvalidParameterValueException") and "cannot be read" in text, text
    assert "certificate" in text.lower(), text


def other_authority(home):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=other",
            "-keyout", "other.key", "-out", "other.pem", cwd=home)
    return home / "other.pem"


def test_a_file_that_holds_no_certificate_keeps_the_server_from_starting(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    server = Server(tmp_path / "data", f'[images.registries."r.example"]\nca_file = "{tmp_path / "ca.pem"}"\n')
    with pytest.raises(AssertionError, match="holds no certificate in PEM form"):
        server.start()


@pytest.fixture
def docker(tmp_path):
    """Docker's configuration of the server's user, and a helper that notes who it is asked for: `(environment, write, asked)`."""
    programs, note = tmp_path / "programs", tmp_path / "asked"
    programs.mkdir()
    note.write_text("")
    helper = programs / "docker-credential-tests"
    helper.write_text(textwrap.dedent(f"""\
        #!/bin/sh
        read -r registry || true
        echo "$1 $registry" >> {note}
        case "$registry" in
          *none.example*) echo "credentials not found in native keychain"; exit 1 ;;
          *) echo '{{"ServerURL":"x","Username":"{LOGIN[0]}","Secret":"{LOGIN[1]}"}}' ;;
        esac
        """))
    helper.chmod(0o755)
    environment = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}"}
    return environment, lambda config: (tmp_path / "config.json").write_text(json.dumps(config)), note


@pytest.mark.parametrize("kind", ["auths", "credHelpers", "credsStore"])
def test_dockers_configuration_says_who_asks(start_server, docker, kind):
    environment, write, note = docker
    registry = Registry(LOGIN)
    try:
        registry.push("team/app", "v1", image())
        write({"auths": {"auths": {registry.name: {"auth": base64.b64encode(":".join(LOGIN).encode()).decode()}}},
               "credHelpers": {"credHelpers": {registry.name: "tests"}},
               "credsStore": {"credsStore": "tests"}}[kind])
        server = start_server(f'[images.registries."{registry.name}"]\n', environment=environment)
        lam = client(server)
        # What no operator has named is asked of nobody, and no helper runs for it.
        status, _, text = refused(make, lam, "unlisted", "elsewhere.example/team/app:v1")
        assert status == 400 and "images.registries" in text and note.read_text() == ""
        assert make(lam, "app", f"{registry.name}/team/app:v1") == "ran"
        asked = set(note.read_text().splitlines())
        assert asked == (set() if kind == "auths" else {f"get {registry.name}"}), asked
    finally:
        registry.close()


def test_a_helper_that_knows_nothing_or_fails_leaves_the_registry_to_nobody(start_server, docker):
    environment, write, _ = docker
    registry = Registry(LOGIN)
    try:
        registry.push("team/app", "v1", image())
        write({"credHelpers": {registry.name: "that-is-not-there"}})
        server = start_server(f'[images.registries."{registry.name}"]\n', environment=environment)
        assert_forbidden(client(server), "app", f"{registry.name}/team/app:v1")
        assert any("does not say who asks" in line for line in server.lines), server.talk
    finally:
        registry.close()
