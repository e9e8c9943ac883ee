"""Container images as builders make them and as attackers do, in layouts and in a small registry."""
import base64
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import re
import ssl
import subprocess
import tarfile
import threading
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
ARCHITECTURE = {"amd64": "x86_64", "arm64": "arm64"}[MACHINE]
OTHER_MACHINE = {"amd64": "arm64", "arm64": "amd64"}[MACHINE]


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def entry(name, kind=tarfile.REGTYPE, content=b"", mode=0o644, link="", **more):
    """One entry of a layer: `(TarInfo, content)`."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode, info.linkname = kind, len(content), mode, link
    info.mtime = 1_700_000_000
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def file(name, content, mode=0o644):
    return entry(name, content=content.encode() if isinstance(content, str) else content, mode=mode)


def folder(name, mode=0o755):
    return entry(name, tarfile.DIRTYPE, mode=mode)


def link(name, target):
    return entry(name, tarfile.SYMTYPE, link=target, mode=0o777)


def hard_link(name, target):
    return entry(name, tarfile.LNKTYPE, link=target)


def device(name):
    return entry(name, tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)


def layer(*entries) -> bytes:
    """A tar of these entries, in their order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content) if content else None)
    return out.getvalue()


class Image:
    """Layers and a configuration; `blobs` holds all of it by digest, `digest` is the manifest's."""

    def __init__(self, *layers, packed=True, machine=MACHINE, layer_type=None, **config):
        self.blobs, self.machine, described, diff_ids = {}, machine, [], []
        for plain in layers:
            content = gzip.compress(plain, 1, mtime=0) if packed else plain
            kind = layer_type or (TAR + "+gzip" if packed else TAR)
            described.append({"mediaType": kind, "digest": self.add(content), "size": len(content)})
            diff_ids.append(digest(plain))
        config = {"os": "linux", "architecture": machine, "config": config,
                  "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        self.finish(config, described)

    def finish(self, config, layers):
        self.config, self.layers = config, layers
        content = json.dumps(config).encode()
        self.manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
                         "config": {"mediaType": CONFIG, "digest": self.add(content), "size": len(content)}}
        self.digest = self.add(json.dumps(self.manifest).encode())

    def add(self, content: bytes) -> str:
        self.blobs[digest(content)] = content
        return digest(content)

    @property
    def descriptor(self):
        return {"mediaType": MANIFEST, "digest": self.digest, "size": len(self.blobs[self.digest])}


class Several:
    """One name for images of several machines."""

    def __init__(self, *images):
        self.blobs = {key: value for image in images for key, value in image.blobs.items()}
        entries = [{**image.descriptor, "platform": {"os": "linux", "architecture": image.machine}} for image in images]
        content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        self.digest = digest(content)
        self.blobs[self.digest] = content

    @property
    def descriptor(self):
        return {"mediaType": INDEX, "digest": self.digest, "size": len(self.blobs[self.digest])}


def write_layout(where: Path, tagged: dict):
    """An OCI image layout of `{tag: image}`; one that is there is written over."""
    (where / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    for image in tagged.values():
        for key, content in image.blobs.items():
            (where / "blobs/sha256" / key.removeprefix("sha256:")).write_bytes(content)
    manifests = [{**image.descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}}
                 for tag, image in tagged.items()]
    (where / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (where / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))


class Registry:
    """Speaks as much of the OCI distribution protocol as pulling needs, on a loopback port.

    With `login` it lets only that one in: by the password itself, or with `tokens` by a token that the password is
    exchanged for. `certificate` (two files, chain and key) makes it speak HTTPS.
    """

    def __init__(self, login=None, tokens=False, certificate=None):
        self.images, self.asked, self.spoiled = {}, [], {}
        registry, basic = self, login and "Basic " + base64.b64encode(":".join(login).encode()).decode()
        wanted = "Bearer a-token-of-the-tests" if tokens else basic
        scheme = "https" if certificate else "http"

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.asked.append(self.path)
                if self.path.startswith("/token"):
                    if self.headers.get("Authorization") == basic:
                        self.answer(200, b'{"token":"a-token-of-the-tests","expires_in":300}', "application/json", {})
                    else:
                        self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"no token"}]}', "application/json", {})
                    return
                if wanted and self.headers.get("Authorization") != wanted:
                    challenge = 'Basic realm="here"'
                    if tokens:
                        repository = self.path.removeprefix("/v2/").split("/manifests/")[0].split("/blobs/")[0]
                        challenge = (f'Bearer realm="{scheme}://{registry.name}/token",service="tests",'
                                     f'scope="repository:{repository}:pull"')
                    self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}',
                                "application/json", {"WWW-Authenticate": challenge})
                    return
                status, content, kind = registry.find(self.path)
                self.answer(status, content, kind, {"Docker-Content-Digest": digest(content)} if status == 200 else {})

            do_HEAD = do_GET

            def answer(self, status, content, kind, headers):
                self.send_response(status)
                for key, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        self.name = f"127.0.0.1:{self.http.server_address[1]}"

    def push(self, repository, tag, image) -> str:
        """Gives the image a name, which is returned."""
        self.images[repository, tag] = image
        return f"{self.name}/{repository}:{tag}"

    def find(self, path):
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", path)
        if path == "/v2/":
            return 200, b"{}", "application/json"
        if found:
            repository, kind, what = found.groups()
            images = [image for (name, _), image in self.images.items() if name == repository]
            tagged = self.images.get((repository, what))
            what = tagged.digest if tagged else what
            for image in images:
                if what in image.blobs:
                    content = self.spoiled.get(what, image.blobs[what])
                    index = kind == "manifests" and b'"manifests"' in content
                    media = (INDEX if index else MANIFEST) if kind == "manifests" else "application/octet-stream"
                    return 200, content, media
            code = "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN"
            return 404, json.dumps({"errors": [{"code": code, "message": "not here"}]}).encode(), "application/json"
        return 404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"not here"}]}', "application/json"

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def with_libraries(program: Path, where: str):
    """The entries of a program of this host's and of the libraries that it is linked with."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = {Path(path) for path in re.findall(r"(/\S+) \(0x", listed)}
    yield file(where, program.read_bytes(), 0o755)
    for library in sorted(libraries):
        yield file(str(library).lstrip("/"), library.read_bytes(), 0o755)


@functools.cache
def python_root() -> bytes:
    """A layer with this host's Python: what an image of a distribution would be."""
    program = Path("/usr/bin/python3").resolve()
    told = subprocess.run([program, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"],
                          capture_output=True, text=True, check=True).stdout.strip()
    standard = Path(told)
    left_out = {"test", "idlelib", "lib2to3", "ensurepip", "tkinter", "__pycache__", "turtledemo", "pydoc_data"}
    entries, seen = [], set()

    def add(one):
        if one[0].name not in seen:
            seen.add(one[0].name)
            entries.append(one)

    for one in with_libraries(program, "usr/bin/python3"):
        add(one)
    for path in sorted(standard.rglob("*")):
        inner = path.relative_to(standard)
        if left_out & set(inner.parts) or inner.parts[0].startswith("config-") or not path.is_file():
            continue
        where = str(path).lstrip("/")
        if path.suffix == ".so":
            for one in with_libraries(path, where):
                add(one)
        else:
            add(file(where, path.read_bytes()))
    return layer(link("bin", "usr/bin"), *entries)
