"""Functions that are container images: from a layout and from a registry, made, called, updated, refused."""
import json
import shutil
import textwrap
from pathlib import Path

import pytest

from harness.calls import call, client, refused, settled
from harness.commands import lacewing
from harness.images import (ARCHITECTURE, MACHINE, OTHER_MACHINE, Image, Registry, Several, device, file, folder, hard_link, layer, link,
                            python_root, with_libraries, write_layout)
from harness.packages import GUEST, ROLE, python, site_packages
from harness.wait import until

LOGIN = ("reader", "a-password-of-the-tests")

# A runtime interface client of few lines, on the documented HTTP API only.
CLIENT = textwrap.dedent("""
    import json, os, sys, traceback, urllib.request
    sys.path.insert(0, os.getcwd())
    module, _, name = sys.argv[1].partition(".")
    handler = getattr(__import__(module), name)
    base = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
    while True:
        with urllib.request.urlopen(base + "next") as event:
            id, payload = event.headers["Lambda-Runtime-Aws-Request-Id"], json.load(event)
        try:
            kind, answer = "response", handler(payload, None)
        except Exception as error:
            kind, answer = "error", {"errorMessage": str(error), "errorType": type(error).__name__}
        urllib.request.urlopen(base + id + "/" + kind, json.dumps(answer).encode()).close()
""")

# Looks about as the event says.
HANDLER = textwrap.dedent("""
    import os, sys
    VERSION = "one"
    def handler(event, context):
        return eval(event["look"]) if "look" in event else VERSION
""")


def app(source=HANDLER):
    return layer(folder("app"), file("app/client.py", CLIENT), file("app/app.py", source))


def python_image(source=HANDLER, *more, **config):
    settings = {"Entrypoint": ["python3", "/app/client.py"], "Cmd": ["app.handler"], "WorkingDir": "/app",
                "Env": ["PATH=/usr/bin:/bin", "COLOUR=green", "AWS_REGION=forged", "LANG=C.UTF-8"], **config}
    return Image(python_root(), app(source), *more, **settings)


@pytest.fixture(scope="module")
def registry():
    one = Registry()
    yield one
    one.close()


@pytest.fixture(scope="module")
def private():
    one = Registry(login=LOGIN)
    yield one
    one.close()


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    where = tmp_path_factory.mktemp("layouts")
    write_layout(where / "app", {"v1": python_image(), "v2": python_image(HANDLER.replace('"one"', '"two"'))})
    return where


@pytest.fixture(scope="module")
def server(start_server, registry, private, layouts):
    return start_server(textwrap.dedent(f"""
        [images.layouts]
        "team/app" = "{layouts}/app"
        "team/later" = "{layouts}/later"
        [images.registries."{registry.name}"]
        [images.registries."registry.example"]
        mirror = "{private.name}"
        username = "{LOGIN[0]}"
        password = "{LOGIN[1]}"
        [images.registries."closed.example"]
        mirror = "{private.name}"
    """))


@pytest.fixture(scope="module")
def lam(server):
    return client(server)


def make(lam, name, uri, active=True, **more):
    reply = lam.create_function(FunctionName=name, Role=ROLE, PackageType="Image", Code={"ImageUri": uri},
                                **{"Timeout": 10, "MemorySize": 256, "Architectures": [ARCHITECTURE], **more})
    if active:
        settled(lam, name)
    return reply


@pytest.fixture(scope="module")
def look(lam):
    make(lam, "look", "team/app:v1")
    return lambda what: call(lam, "look", {"look": what}).value


def test_an_image_is_made_called_updated_and_deleted(lam, server, layouts):
    code = server.data / "code"
    before = set(code.iterdir())
    made = make(lam, "app", "team/app:v1", active=False)
    assert (made["PackageType"], made["State"], made["CodeSize"]) == ("Image", "Pending", 0)
    assert "Runtime" not in made and "Handler" not in made and "ImageConfigResponse" not in made
    assert made["CodeSha256"] == python_image().digest.removeprefix("sha256:")
    settled(lam, "app")
    assert call(lam, "app").value == "one"
    found = lam.get_function(FunctionName="app")["Code"]
    assert found == {"RepositoryType": "ECR", "ImageUri": "team/app:v1",
                     "ResolvedImageUri": f"team/app@{python_image().digest}"}
    changed = lam.update_function_code(FunctionName="app", ImageUri="team/app:v2")
    assert changed["LastUpdateStatus"] == "InProgress"
    settled(lam, "app")
    assert call(lam, "app").value == "two"
    assert lam.get_function(FunctionName="app")["Code"]["ImageUri"] == "team/app:v2"
    lam.delete_function(FunctionName="app")
    until(lambda: set(code.iterdir()) == before, 20, "the trees of a deleted function stay on the disk")
    digests = [python_image().digest, python_image(HANDLER.replace('"one"', '"two"')).digest]
    left = [path for path in before if f"sha256:{path.name}" in digests]
    until(lambda: left or not list((server.data / "packages").glob("*.image")), 20, "what was kept of an image stays")


def test_a_tag_is_what_it_was_when_the_code_was_set(lam, registry):
    uri = registry.push("team/moving", "latest", python_image())
    make(lam, "moving", uri)
    assert call(lam, "moving").value == "one"
    registry.push("team/moving", "latest", python_image(HANDLER.replace('"one"', '"moved"')))
    assert call(lam, "moving").value == "one"
    before = lam.get_function(FunctionName="moving")["Code"]["ResolvedImageUri"]
    lam.update_function_code(FunctionName="moving", ImageUri=uri)
    settled(lam, "moving")
    assert call(lam, "moving").value == "moved"
    assert lam.get_function(FunctionName="moving")["Code"]["ResolvedImageUri"] != before


def test_one_image_lies_on_the_disk_once(lam, server, registry):
    image = python_image(HANDLER.replace('"one"', '"shared"'))
    uri = registry.push("team/shared", "1", image)
    make(lam, "shared-1", uri)
    layers = [asked for asked in registry.asked if "/blobs/" in asked]
    make(lam, "shared-2", uri)
    fetched = [asked for asked in registry.asked if "/blobs/" in asked][len(layers):]
    assert fetched == [f"/v2/team/shared/blobs/{image.manifest['config']['digest']}"], "only the configuration again"
    assert (server.data / "code" / image.digest.removeprefix("sha256:")).is_dir()
    assert call(lam, "shared-1").value == call(lam, "shared-2").value == "shared"


def test_versions_keep_the_image_that_they_were_published_with(lam):
    make(lam, "versioned", "team/app:v1", Publish=True)
    lam.update_function_code(FunctionName="versioned", ImageUri="team/app:v2", Publish=True)
    settled(lam, "versioned")
    until(lambda: lam.get_function_configuration(FunctionName="versioned", Qualifier="2")["State"] == "Active", 20, "2")
    assert [call(lam, "versioned", Qualifier=q).value for q in ("1", "2", "$LATEST")] == ["one", "two", "two"]


def test_the_root_is_the_images_and_read_only(look):
    assert look("sorted(os.listdir('/'))") == sorted(["app", "bin", "dev", "etc", "lib", "lib64", "proc", "tmp", "usr"])
    assert look("os.listdir('/etc')") in (["hosts", "resolv.conf"], ["resolv.conf", "hosts"])
    assert look("open('/tmp/x', 'w').write('abc')") == 3
    assert look("open('/dev/null').read()") == "" and look("len(os.urandom(4))") == 4
    tried = look("[__import__('subprocess').run([sys.executable, '-c', f'open({p!r}, \"w\")'], "
                 "capture_output=True).returncode for p in ('/x', '/app/app.py', '/etc/hosts', '/usr/x', '/dev/x')]")
    assert tried == [1] * 5


def test_the_walls_are_those_of_any_sandbox(look):
    status = dict(line.split(":", 1) for line in look("open('/proc/self/status').read()").splitlines())
    assert [int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [0] * 5
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    assert look("[os.getuid(), os.getgid()]") == [993, 990]
    assert look("open('/proc/1/comm').read()") == "init\n"
    pids = look("[int(p) for p in os.listdir('/proc') if p.isdigit()]")
    assert len(pids) <= 4, "only what is the sandbox's own"
    roots = look("[l.split()[3:6] for l in open('/proc/self/mountinfo') if l.split()[4] == '/']")
    assert len(roots) == 1 and "ro" in roots[0][2].split(",") and "nosuid" in roots[0][2].split(",")
    shown = look("sorted({l.split()[4].split('/')[1] for l in open('/proc/self/mountinfo')})")
    assert shown == ["", "dev", "etc", "proc", "tmp"], "nothing else of the host is mounted"


def test_the_environment_is_the_images_under_lambdas_rules(lam, look):
    lam.update_function_configuration(FunctionName="look", Environment={"Variables": {"COLOUR": "red"}})
    settled(lam, "look")
    env = look("dict(os.environ)")
    assert (env["COLOUR"], env["PATH"], env["LANG"]) == ("red", "/usr/bin:/bin", "C.UTF-8")
    assert (env["AWS_REGION"], env["AWS_LAMBDA_FUNCTION_NAME"]) == ("us-east-1", "look")
    assert "_HANDLER" not in env and env["AWS_EXECUTION_ENV"] == "AWS_Lambda_Image"
    assert look("os.getcwd()") == "/app" == env["PWD"]


def test_image_config_stands_in_the_place_of_the_images_own(lam):
    config = {"EntryPoint": ["python3", "/app/client.py"], "Command": ["other.handler"], "WorkingDirectory": "/tmp"}
    made = make(lam, "configured", "team/app:v1", ImageConfig={**config, "Command": ["nothing.there"]})
    assert made["ImageConfigResponse"] == {"ImageConfig": {**config, "Command": ["nothing.there"]}}
    assert call(lam, "configured").error == "Unhandled"
    lam.update_function_configuration(FunctionName="configured", ImageConfig={"Command": ["app.handler"]})
    settled(lam, "configured")
    shown = lam.get_function_configuration(FunctionName="configured")["ImageConfigResponse"]["ImageConfig"]
    assert shown == {"Command": ["app.handler"]}
    assert call(lam, "configured").value == "one"
    lam.update_function_configuration(FunctionName="configured", ImageConfig={"WorkingDirectory": "/not/there"})
    settled(lam, "configured")
    answer = call(lam, "configured")
    assert answer.value["errorType"] == "Runtime.InvalidWorkingDir", answer.value
    lam.update_function_configuration(FunctionName="configured", ImageConfig={"EntryPoint": ["not-there"]})
    settled(lam, "configured")
    assert call(lam, "configured").value["errorType"] == "Runtime.InvalidEntrypoint"


@pytest.mark.skipif(not GUEST, reason="needs the guest in Rust")
def test_a_program_of_awss_rust_client_runs_from_a_registry_that_asks_who_is_there(lam, private):
    image = Image(layer(*with_libraries(Path(GUEST), "srv/guest")), packed=False, Entrypoint=["/srv/guest"])
    private.push("team/guest", "v1", image)
    make(lam, "guest", "registry.example/team/guest:v1")
    assert call(lam, "guest", {"name": "ada"}).value == {"message": "hello ada"}
    status, kind, text = refused(make, lam, "closed", "closed.example/team/guest:v1")
    assert (status, kind) == (400, "InvalidParameterValueException") and "permission to access" in text, text


def test_awss_own_runtime_interface_client_runs_an_image(lam, registry):
    home = site_packages()
    packages = [file(f"var/task/{path.relative_to(home)}", path.read_bytes(), 0o755)
                for name in ("awslambdaric", "simplejson", "snapshot_restore_py.py")
                for path in ([home / name] if name.endswith(".py") else sorted((home / name).rglob("*")))
                if path.is_file() and path.suffix != ".pyc"]
    native, = home.glob("runtime_client*.so")
    packages += with_libraries(native, f"var/task/{native.name}")
    source = "def handler(event, context):\n    print('seen')\n    return [event, context.function_name]\n"
    image = Image(python_root(), layer(*packages, file("var/task/app.py", source)), WorkingDir="/var/task",
                  Entrypoint=["/usr/bin/python3", "-m", "awslambdaric"], Cmd=["app.handler"])
    make(lam, "ric", registry.push("team/ric", "1", image))
    answer = call(lam, "ric", {"a": 1})
    assert answer.value == [{"a": 1}, "ric"] and "seen" in answer.log, answer.log


def test_of_several_machines_the_functions_own_is_taken(lam, registry):
    ours, other = python_image(), Image(app(), machine=OTHER_MACHINE)
    uri = registry.push("team/several", "1", Several(other, ours))
    make(lam, "several", uri)
    assert call(lam, "several").value == "one"
    assert lam.get_function(FunctionName="several")["Code"]["ResolvedImageUri"].endswith(ours.digest)
    for image in (Several(other), other):
        status, kind, text = refused(make, lam, "elsewhere", registry.push("team/elsewhere", "1", image))
        assert (status, kind) == (400, "InvalidParameterValueException") and f"linux/{MACHINE}" in text, text


def test_later_layers_replace_hide_and_add(lam, registry):
    first = layer(folder("data"), file("data/kept", "1"), file("data/gone", "1"), folder("data/old"),
                  file("data/old/a", "1"), folder("opaque"), file("opaque/lower", "1"), file("data/was-file", "1"),
                  link("data/link", "/etc"), folder("usr/share"), link("share", "/usr/share"))
    second = layer(file("data/.wh.gone", ""), file("data/.wh.old", ""), file("opaque/upper", "2"),
                   file("opaque/.wh..wh..opq", ""), folder("data/was-file"), file("data/was-file/inside", "2"),
                   file("share/through", "2"), file("data/link", "a file now"))
    uri = registry.push("team/laid", "1", python_image(HANDLER, first, second))
    make(lam, "laid", uri)
    def look(what):
        return call(lam, "laid", {"look": what}).value
    assert look("sorted(os.listdir('/data'))") == ["kept", "link", "was-file"]
    assert look("os.listdir('/opaque')") == ["upper"] and look("os.listdir('/data/was-file')") == ["inside"]
    assert look("open('/usr/share/through').read()") == "2", "through a link that is absolute, inside the image"
    assert look("open('/data/link').read()") == "a file now"


def test_what_cannot_be_is_refused_in_awss_words(lam, registry):
    zipped = python("def handler(event, context): pass\n")
    image = {"FunctionName": "no", "Role": ROLE, "PackageType": "Image", "Code": {"ImageUri": "team/app:v1"}}
    for more, words in [
        ({"Runtime": "python3.13"}, "Please don't provide Handler or Runtime or Layer"),
        ({"Handler": "a.b"}, "Please don't provide Handler or Runtime or Layer"),
        ({"Code": {"ZipFile": zipped}}, "Please provide"),
        ({"Code": {}}, "Please provide ImageUri when creating a function with packageType Image."),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "SnapStart is not supported"),
        ({"Code": {"ImageUri": "team/unknown:v1"}}, "is not valid. Provide a valid source image."),
        ({"Code": {"ImageUri": "/etc/passwd"}}, "is not valid. Provide a valid source image."),
        ({"Code": {"ImageUri": "169.254.169.254/latest:v1"}}, "is not valid. Provide a valid source image."),
        ({"Code": {"ImageUri": "team/app:v9"}}, "does not exist. Provide a valid source image."),
        ({"Code": {"ImageUri": f"{registry.name}/team/none:v1"}}, "does not exist. Provide a valid source image."),
        ({"Code": {"ImageUri": "team/later:v1"}}, "does not exist"),
    ]:
        status, kind, text = refused(lam.create_function, **{**image, **more})
        assert (status, kind) == (400, "InvalidParameterValueException") and words in text, (more, text)
    zip_function = {**image, "PackageType": "Zip", "Runtime": "python3.13", "Handler": "app.handler"}
    text = refused(lam.create_function, **zip_function)[2]
    assert text == "Please don't provide ImageUri when creating a function with packageType Zip."


def test_a_functions_kind_stays(lam, look):
    zipped = python("def handler(event, context): pass\n")
    for more in ({"ZipFile": zipped}, {"S3Bucket": "code", "S3Key": "f.zip"}, {}, {"Publish": True}):
        text = refused(lam.update_function_code, FunctionName="look", **more)[2]
        assert text == "Please provide ImageUri when updating a function with packageType Image.", more
    for more in ({"Runtime": "python3.13"}, {"Handler": "a.b"}):
        assert "packageType Image" in refused(lam.update_function_configuration, FunctionName="look", **more)[2]
    lam.create_function(FunctionName="zipped", Role=ROLE, Runtime="python3.13", Handler="app.handler",
                        Code={"ZipFile": zipped})
    settled(lam, "zipped")
    assert refused(lam.update_function_code, FunctionName="zipped")[2] == "Please provide a source for function code."
    assert refused(lam.update_function_code, FunctionName="not-there")[0] == 404
    text = refused(lam.update_function_code, FunctionName="zipped", ImageUri="team/app:v1")[2]
    assert text == "Please don't provide ImageUri when updating a function with packageType Zip."
    assert "ImageConfig" in refused(lam.update_function_configuration, FunctionName="zipped",
                                    ImageConfig={"Command": ["x"]})[2]


def test_why_says_that_nothing_can_be_made_ahead(lam, server, look):
    answer = call(lam, "look", {"look": "1"})
    told = lacewing(server, "why", "look").stdout
    assert "it is an image" in told, told
    assert answer.value == 1


def test_the_command_deploys_an_image(lam, server, registry, tmp_path):
    uri = registry.push("team/deployed", "v1", python_image())
    told = json.loads(lacewing(server, "deploy", "--image", uri, "--timeout", "10", "--memory", "256", "--env", "COLOUR=blue",
                               "--architecture", ARCHITECTURE, "--json").stdout)
    assert (told["name"], told["change"], told["runtime"]) == ("deployed", "created", "image")
    assert call(lam, "deployed").value == "one" and call(lam, "deployed", {"look": "os.environ['COLOUR']"}).value == "blue"
    again = ("deploy", "--image", uri, "--name", "deployed", "--json")
    assert json.loads(lacewing(server, *again).stdout)["change"] == "unchanged"
    registry.push("team/deployed", "v1", python_image(HANDLER.replace('"one"', '"moved"')))
    assert json.loads(lacewing(server, *again).stdout)["change"] == "updated"
    assert call(lam, "deployed").value == "moved"
    assert lam.get_function_configuration(FunctionName="deployed")["Timeout"] == 10
    missing = lacewing(server, "deploy", "--image", "team/app:v9", expect=None)
    assert missing.returncode != 0 and "does not exist" in missing.stderr, missing.stderr
    write_layout(tmp_path / "mine", {"v1": python_image()})
    folder = lacewing(server, "deploy", "--image", str(tmp_path / "mine"), expect=None)
    assert folder.returncode != 0 and "[images.layouts]" in folder.stderr, folder.stderr
    assert lacewing(server, "deploy", "--image", uri, "app.py", expect=None).returncode == 2


def test_a_template_deploys_an_image(lam, server, tmp_path):
    def deploy(config=""):
        (tmp_path / "template.yaml").write_text(textwrap.dedent("""
            Transform: AWS::Serverless-2016-10-31
            Parameters: {Tag: {Type: String, Default: v1}}
            Resources:
              App:
                Type: AWS::Serverless::Function
                Properties:
                  PackageType: Image
                  ImageUri: !Sub 'team/app:${Tag}'
                  Architectures: [%s]
                  MemorySize: 256
                  Timeout: 10
                  %s
            """) % (ARCHITECTURE, config))
        return json.loads(lacewing(server, "deploy", str(tmp_path / "template.yaml"), "--name", "imaged", "--json",
                                   *(["--parameter", "Tag=v2"] if config else [])).stdout)
    def change(told):
        return [one["change"] for one in told["resources"]]
    assert change(deploy()) == ["created"] and call(lam, "imaged-App").value == "one"
    assert change(deploy()) == ["unchanged"]
    assert change(deploy("ImageConfig: {WorkingDirectory: /app, Command: [app.handler]}")) == ["updated"]
    assert call(lam, "imaged-App").value == "two"
    shown = lam.get_function_configuration(FunctionName="imaged-App")["ImageConfigResponse"]["ImageConfig"]
    assert shown == {"WorkingDirectory": "/app", "Command": ["app.handler"]}
    assert change(deploy()) == ["updated"], "what the template no longer says is gone"
    assert "ImageConfigResponse" not in lam.get_function_configuration(FunctionName="imaged-App")
    assert call(lam, "imaged-App").value == "one"


def test_a_restart_finds_images_in_their_places(own_server, layouts):
    server = own_server(f'[images.layouts]\n"team/app" = "{layouts}/app"\n').start()
    lam = client(server)
    make(lam, "stays", "team/app:v1")
    server.kill()
    again = server.start()
    assert call(client(again), "stays").value == "one"
    config = client(again).get_function(FunctionName="stays")
    assert config["Configuration"]["PackageType"] == "Image" and config["Code"]["ImageUri"] == "team/app:v1"
    assert again.stop() == 0


def test_an_image_whose_tree_is_gone_is_fetched_again_beside_the_start(own_server, tmp_path):
    registry = Registry()
    try:
        uri, other = registry.push("team/back", "1", python_image()), registry.push("team/lost", "1", python_image(HANDLER + "# 2"))
        server = own_server(f'[images.registries."{registry.name}"]\n').start()
        lam = client(server)
        make(lam, "back", uri)
        make(lam, "lost", other, Publish=True)
        assert server.stop() == 0
        shutil.rmtree(server.data / "code")
        del registry.images["team/lost", "1"]
        lam = client(server.start())
        def state(name, qualifier="$LATEST"):
            def ended():
                config = lam.get_function_configuration(FunctionName=name, Qualifier=qualifier)
                return config["State"] != "Pending" and config
            return until(ended, 30, f"{name} stays Pending")
        assert state("back")["State"] == "Active" and call(lam, "back").value == "one"
        for qualifier in ("$LATEST", "1"):
            config = state("lost", qualifier)
            assert (config["State"], config["StateReasonCode"]) == ("Inactive", "ImageDeleted"), config
        assert server.stop() == 0
        registry.push("team/lost", "1", python_image(HANDLER + "# 2"))
        lam = client(server.start())
        assert state("lost", "1")["State"] == "Active" and call(lam, "lost", Qualifier="1").value == "one"
        assert server.stop() == 0
    finally:
        registry.close()


@pytest.mark.parametrize("entries, words", [
    ([file("../../escaped", "x")], "'..' in its name"),
    ([hard_link("x", "/etc/passwd")], "not in the image"),
    ([hard_link("x", "../../../root-key")], "'..' in its name"),
    ([device("x")], "is a device"),
    ([link("proc", "/usr")], "must be a folder"),
])
def test_a_hostile_layer_fails_the_function_and_leaves_nothing(lam, server, registry, entries, words):
    uri = registry.push("team/hostile", "1", python_image(HANDLER, layer(*entries)))
    before = set((server.data / "code").iterdir())
    make(lam, "hostile", uri, active=False)
    config = until(lambda: (c := lam.get_function_configuration(FunctionName="hostile"))["State"] != "Pending" and c, 30, "?")
    assert (config["State"], config["StateReasonCode"]) == ("Failed", "InvalidImage"), config
    assert words in config["StateReason"], config["StateReason"]
    assert lam.get_function(FunctionName="hostile")["Code"]["Error"] == {
        "ErrorCode": "InvalidImage", "Message": config["StateReason"]}
    lam.delete_function(FunctionName="hostile")
    until(lambda: set((server.data / "code").iterdir()) == before, 20, "a tree that was given up stays on the disk")
    assert not list(server.data.rglob("escaped"))


def test_links_of_an_image_never_lead_to_the_host(lam, server, registry):
    upwards = "/".join([".."] * 30)
    hostile = layer(link("up", upwards), file("up/made-by-an-image", "x"), link("abs", str(server.data)),
                    link("secret", f"{server.data}/root-key"), link("etc/resolv.conf", f"{server.data}/root-key"))
    make(lam, "links", registry.push("team/links", "1", python_image(HANDLER, hostile)))
    def look(what):
        return call(lam, "links", {"look": what}).value
    assert look("os.path.exists('/secret'), os.path.exists('/abs')") == [False, False]
    assert look("open('/made-by-an-image').read()") == "x" and not Path("/made-by-an-image").exists()
    assert "nameserver" in look("open('/etc/resolv.conf').read()")


def test_a_layer_that_is_not_what_it_should_be_is_refused(lam, registry):
    image = python_image(HANDLER.replace('"one"', '"spoiled"'))
    uri = registry.push("team/spoiled", "1", image)
    wrong = image.layers[1]["digest"]
    registry.spoiled[wrong] = Image(app("VERSION = 'evil'")).blobs[Image(app("VERSION = 'evil'")).layers[0]["digest"]]
    make(lam, "spoiled", uri, active=False)
    config = until(lambda: (c := lam.get_function_configuration(FunctionName="spoiled"))["State"] != "Pending" and c, 30, "?")
    assert config["State"] == "Failed" and ("digest" in config["StateReason"]), config
    registry.spoiled.clear()
    manifest = image.digest
    registry.spoiled[manifest] = b'{"schemaVersion":2,"layers":[],"config":{"digest":"sha256:' + b"0" * 64 + b'"}}'
    text = refused(make, lam, "spoiled-2", f"{registry.name}/team/spoiled@{manifest}")[2]
    assert "digest" in text, text


def test_an_update_that_fails_leaves_the_former_image_serving(lam, registry):
    make(lam, "survives", "team/app:v1")
    bad = registry.push("team/bad", "1", python_image(HANDLER, layer(device("x"))))
    lam.update_function_code(FunctionName="survives", ImageUri=bad)
    def ended():
        config = lam.get_function_configuration(FunctionName="survives")
        return config["LastUpdateStatus"] != "InProgress" and config
    config = until(ended, 30, "the update never ended")
    assert (config["LastUpdateStatus"], config["LastUpdateStatusReasonCode"]) == ("Failed", "InvalidImage")
    assert call(lam, "survives").value == "one"
