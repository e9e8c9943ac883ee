"""Code that lies in an object store: fetched with the keys that the server was given."""
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.calls import call, client, refused, settled
from harness.packages import PYTHON, ROLE, package, python
from harness.server import KEY, Server
from harness.wait import until

ERROR = "<?xml version='1.0'?><Error><Code>%s</Code><Message>%s</Message></Error>"


def says(word):
    return python(f"def handler(event, context):\n    return {word!r}\n")


class Store(BaseHTTPRequestHandler):
    """As much of S3 as a `GetObject` meets."""
    # Of the bucket that keeps versions: what each key has, the newest last, and who asked for it.
    VERSIONS, ASKED = {}, []
    OBJECTS = {("/code/f.zip", None): says("one"), ("/shared/f.zip", None): says("one"),
               ("/code/f.zip", "v2"): says("two"), ("/code/a%20b%2B.zip", None): says("odd")}

    def do_GET(self):
        url = urlsplit(self.path)
        version = parse_qs(url.query).get("versionId", [None])[0]
        owner = KEY if url.path.startswith("/shared/") else "the-key"
        if f"Credential={owner}/" not in self.headers.get("Authorization", ""):
            return self.answer(403, ERROR % ("AccessDenied", "Access Denied"))
        if url.path.startswith("/versions/"):
            return self.answer_versioned(url.path, version)
        if not url.path.startswith(("/code/", "/shared/")):
            return self.answer(404, ERROR % ("NoSuchBucket", "The specified bucket does not exist"))
        found = self.OBJECTS.get((url.path, version))
        return self.answer(200, found) if found else self.answer(
            404, ERROR % ("NoSuchKey", "The specified key does not exist."))

    def answer_versioned(self, path, version):
        self.ASKED.append((path, version))
        kept = self.VERSIONS.get(path, {})
        version = version or next(reversed(kept), None)
        if version in kept:
            return self.answer(200, kept[version], {"x-amz-version-id": version})
        missing = ("NoSuchVersion", "The specified version does not exist.") if kept else (
            "NoSuchKey", "The specified key does not exist")
        return self.answer(404, ERROR % missing)

    def answer(self, status, body, headers={}):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def store():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def environment(store):
    return {"AWS_ENDPOINT_URL_S3": store, "AWS_ACCESS_KEY_ID": "the-key", "AWS_SECRET_ACCESS_KEY": "the-secret"}


@pytest.fixture(scope="module")
def lam(start_server, store):
    return client(start_server(environment=environment(store)))


@pytest.fixture
def bucket():
    """A key of the bucket that keeps versions, for one test: `put(key, version, zip)` and `delete(key)`."""
    class Bucket:
        @staticmethod
        def put(key, version, zipped):
            Store.VERSIONS.setdefault(f"/versions/{key}", {})[version] = zipped

        @staticmethod
        def delete(key):
            Store.VERSIONS.pop(f"/versions/{key}")
    Store.VERSIONS.clear()
    return Bucket


def referred(key, **more):
    return {"S3Bucket": "versions", "S3Key": key, "S3ObjectStorageMode": "REFERENCE", **more}


def state(lam, name, qualifier="$LATEST"):
    """The state that a function comes to."""
    def settled_state():
        config = lam.get_function_configuration(FunctionName=name, Qualifier=qualifier)
        return config["State"] != "Pending" and config.get("LastUpdateStatus") != "InProgress" and config
    return until(settled_state, 30, f"{name} stays Pending")


def create(lam, name, **code):
    lam.create_function(FunctionName=name, Runtime=PYTHON, Handler="app.handler", Role=ROLE, Code=code)
    settled(lam, name)


def test_a_function_is_made_and_changed_from_objects(lam):
    create(lam, "f", S3Bucket="code", S3Key="f.zip")
    assert call(lam, "f").value == "one"
    lam.update_function_code(FunctionName="f", S3Bucket="code", S3Key="f.zip", S3ObjectVersion="v2")
    settled(lam, "f")
    assert call(lam, "f").value == "two"
    create(lam, "odd", S3Bucket="code", S3Key="a b+.zip")
    assert call(lam, "odd").value == "odd"


@pytest.mark.parametrize("bucket, key, code, message", [
    ("code", "none.zip", "NoSuchKey", "The specified key does not exist."),
    ("nowhere", "f.zip", "NoSuchBucket", "The specified bucket does not exist"),
])
def test_what_is_not_there_is_told_in_the_stores_words(lam, bucket, key, code, message):
    status, kind, text = refused(create, lam, "missing", S3Bucket=bucket, S3Key=key)
    assert (status, kind) == (400, "InvalidParameterValueException")
    assert text == f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    assert refused(lam.get_function, FunctionName="missing")[0] == 404


def test_a_store_that_does_not_answer_is_named(start_server):
    lam = client(start_server('[aws]\nendpoint_url_s3 = "http://127.0.0.1:1"\n'))
    status, kind, text = refused(create, lam, "f", S3Bucket="code", S3Key="f.zip")
    assert (status, kind) == (400, "InvalidParameterValueException") and "AWS_ENDPOINT_URL_S3" in text


def test_services_side_by_side_share_their_keys(start_server, store):
    """A store of one's own is asked with the server's fixed root key where no other keys are given."""
    lam = client(start_server(environment={"AWS_ENDPOINT_URL": store}))
    create(lam, "f", S3Bucket="shared", S3Key="f.zip")
    assert call(lam, "f").value == "one"
    assert "S3 Error Code: AccessDenied." in refused(create, lam, "g", S3Bucket="code", S3Key="f.zip")[2]


def test_code_that_stays_in_its_bucket_is_pinned_and_not_counted(lam, bucket):
    bucket.put("f.zip", "v1", says("one"))
    used = lam.get_account_settings()["AccountUsage"]["TotalCodeSize"]
    create(lam, "stays", **referred("f.zip"))
    assert call(lam, "stays").value == "one"
    found = lam.get_function(FunctionName="stays")
    assert found["Code"] == {"RepositoryType": "S3", "ResolvedS3Object": {
        "S3Bucket": "versions", "S3Key": "f.zip", "S3ObjectVersion": "v1"}}
    assert found["Configuration"]["CodeSize"] == len(says("one"))
    bucket.put("f.zip", "v2", says("two"))
    lam.publish_version(FunctionName="stays")
    assert call(lam, "stays").value == "one", "a newer object is another one"
    assert lam.get_account_settings()["AccountUsage"]["TotalCodeSize"] == used
    lam.update_function_code(FunctionName="stays", **referred("f.zip"))
    settled(lam, "stays")
    assert [call(lam, "stays", Qualifier=q).value for q in ("$LATEST", "1")] == ["two", "one"]
    versions = [lam.get_function(FunctionName="stays", Qualifier=q)["Code"]["ResolvedS3Object"]["S3ObjectVersion"]
                for q in ("$LATEST", "1")]
    assert versions == ["v2", "v1"]
    # Without the mode the code is copied.
    lam.update_function_code(FunctionName="stays", S3Bucket="versions", S3Key="f.zip")
    settled(lam, "stays")
    code = lam.get_function(FunctionName="stays")["Code"]
    assert "ResolvedS3Object" not in code and "Location" in code
    assert lam.get_account_settings()["AccountUsage"]["TotalCodeSize"] == used + len(says("two"))
    bucket.delete("f.zip")
    assert call(lam, "stays").value == "two"


def test_code_that_stays_in_its_bucket_is_fetched_again_when_it_is_gone_here(tmp_path, store, bucket):
    bucket.put("f.zip", "v1", says("one"))
    bucket.put("gone.zip", "v1", says("gone"))
    server = Server(tmp_path / "data", environment=environment(store)).start()
    lam = client(server)
    create(lam, "back", **referred("f.zip"))
    create(lam, "lost", **referred("gone.zip"))
    lam.publish_version(FunctionName="lost")
    assert not list((server.data / "packages").iterdir()), "no copy of it is kept"
    assert server.stop() == 0
    bucket.put("f.zip", "v2", says("two"))
    bucket.delete("gone.zip")

    # With its unpacked code on the disk nothing is asked for.
    asked = len(Store.ASKED)
    lam = client(server.start())
    assert call(lam, "back").value == "one" and call(lam, "lost").value == "gone"
    assert len(Store.ASKED) == asked
    assert server.stop() == 0

    shutil.rmtree(server.data / "code")
    lam = client(server.start())
    assert state(lam, "back")["State"] == "Active" and call(lam, "back").value == "one"
    assert Store.ASKED[asked:].count(("/versions/f.zip", "v1")) == 1, "of the version that it was set to"
    for qualifier in ("$LATEST", "1"):
        config = state(lam, "lost", qualifier)
        assert (config["State"], config["StateReasonCode"]) == ("Inactive", "DependencyError"), config
        assert "s3://versions/gone.zip" in config["StateReason"] and "NoSuchKey" in config["StateReason"], config
    error = lam.get_function(FunctionName="lost")["Code"]["Error"]
    assert error["ErrorCode"] == "DependencyError" and error["Message"] == config["StateReason"]
    status, kind, text = refused(call, lam, "lost")
    assert (status, kind) == (409, "ResourceConflictException") and text.endswith("state: Inactive"), text
    assert server.stop() == 0

    # The object is there again: the next start, or a change of the function, brings it back.
    bucket.put("gone.zip", "v1", says("gone"))
    lam = client(server.start())
    assert [state(lam, "lost", q)["State"] for q in ("$LATEST", "1")] == ["Active", "Active"]
    assert call(lam, "lost", Qualifier="1").value == "gone"
    assert server.stop() == 0

    # Another object under the same version is never run.
    shutil.rmtree(server.data / "code")
    bucket.put("gone.zip", "v1", says("evil"))
    lam = client(server.start())
    config = state(lam, "lost")
    assert config["State"] == "Inactive" and "not the code that was set" in config["StateReason"], config
    lam.update_function_code(FunctionName="lost", ZipFile=says("mended"))
    assert state(lam, "lost")["State"] == "Active" and call(lam, "lost").value == "mended"
    assert server.stop() == 0


def test_a_change_of_what_was_lost_fetches_it_again(tmp_path, store, bucket):
    bucket.put("f.zip", "v1", says("one"))
    server = Server(tmp_path / "data", environment=environment(store)).start()
    create(client(server), "f", **referred("f.zip"))
    assert server.stop() == 0
    shutil.rmtree(server.data / "code")
    bucket.delete("f.zip")
    lam = client(server.start())
    assert state(lam, "f")["State"] == "Inactive"
    lam.update_function_configuration(FunctionName="f", Timeout=9)
    assert state(lam, "f")["State"] == "Inactive", "the object is still gone"
    bucket.put("f.zip", "v1", says("one"))
    lam.update_function_configuration(FunctionName="f", Timeout=8)
    assert state(lam, "f")["State"] == "Active" and call(lam, "f").value == "one"
    assert server.stop() == 0


def test_a_layer_stays_in_its_bucket_too(tmp_path, store, bucket):
    bucket.put("layer.zip", "l1", package({"python/word.py": "WORD = 'of the layer'\n"}))
    bucket.put("second.zip", "l1", package({"python/other.py": "OTHER = 'and more'\n"}))
    server = Server(tmp_path / "data", environment=environment(store)).start()
    lam = client(server)
    made = [lam.publish_layer_version(LayerName=name, Content=referred(f"{name}.zip")) for name in ("layer", "second")]
    content = made[0]["Content"]
    assert content["ResolvedS3Object"] == {"S3Bucket": "versions", "S3Key": "layer.zip", "S3ObjectVersion": "l1"}
    assert "Location" not in content
    source = "import other, word\ndef handler(event, context):\n    return [word.WORD, other.OTHER]\n"
    lam.create_function(FunctionName="f", Runtime=PYTHON, Handler="app.handler", Role=ROLE, Code={"ZipFile": python(source)},
                        Layers=[one["LayerVersionArn"] for one in made])
    assert state(lam, "f")["State"] == "Active" and call(lam, "f").value == ["of the layer", "and more"]
    used = lam.get_account_settings()["AccountUsage"]["TotalCodeSize"]
    assert used == len(python(source)), "only the function's own code counts"
    assert server.stop() == 0
    shutil.rmtree(server.data / "code")
    lam = client(server.start())
    assert state(lam, "f")["State"] == "Active" and call(lam, "f").value == ["of the layer", "and more"]
    assert server.stop() == 0


def test_what_cannot_stay_is_refused(lam, bucket):
    status, kind, text = refused(create, lam, "none", **{**referred("f.zip"), "S3Bucket": "code"})
    assert (status, kind) == (400, "InvalidParameterValueException") and "versioning" in text, text
    text = refused(create, lam, "none", ZipFile=says("one"), S3ObjectStorageMode="REFERENCE")[2]
    assert "S3Bucket and S3Key" in text
    assert refused(create, lam, "none", **referred("f.zip", S3ObjectStorageMode="MOVE"))[1] == "ValidationException"
    assert refused(create, lam, "none", **referred("none.zip"))[2].endswith("NoSuchKey. S3 Error Message: The specified key does not exist")
    bucket.put("bad.zip", "v1", b"no zip")
    assert "Could not unzip" in refused(create, lam, "none", **referred("bad.zip"))[2]


def test_the_key_of_a_package_goes_with_its_code(lam):
    key = "arn:aws:kms:us-east-1:000000000000:key/1"
    create(lam, "keyed", S3Bucket="code", S3Key="f.zip", SourceKMSKeyArn=key)
    lam.publish_version(FunctionName="keyed")
    lam.update_function_code(FunctionName="keyed", S3Bucket="code", S3Key="f.zip", SourceKMSKeyArn=key + "2")
    settled(lam, "keyed")
    shown = [lam.get_function(FunctionName="keyed", Qualifier=q)["Code"].get("SourceKMSKeyArn") for q in ("1", "$LATEST")]
    assert shown == [key, key + "2"]
    lam.update_function_code(FunctionName="keyed", ZipFile=says("two"))
    settled(lam, "keyed")
    assert "SourceKMSKeyArn" not in lam.get_function(FunctionName="keyed")["Code"]
    for wrong in ("key", "arn:aws:kms"):
        status, kind, text = refused(lam.update_function_code, FunctionName="keyed", ZipFile=says("x"), SourceKMSKeyArn=wrong)
        assert (status, kind) == (400, "ValidationException") and "'sourceKMSKeyArn'" in text, text
    image = {"FunctionName": "i", "Role": ROLE, "PackageType": "Image"}
    text = refused(lam.create_function, **image, Code={"ImageUri": "a/b:c", "SourceKMSKeyArn": key})[2]
    assert "packageType Zip only" in text
