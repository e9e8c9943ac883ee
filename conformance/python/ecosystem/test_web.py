"""Real web applications, the examples of `examples/web`, deployed by `lacewing deploy` as they are: as web functions, and as
handlers behind the adapters that Lambda asks for. Driven by curl, `fetch` in Node and Chromium."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from harness.calls import open_url
from harness.commands import lacewing
from harness.wait import until

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "web"
PLACE = Path(os.environ.get("LACEWING_ECOSYSTEM", "/nonexistent")) / "web"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def built(name):
    """An example with its packages beside it, made once for each state of its files."""
    if not PLACE.parent.exists():
        pytest.skip("LACEWING_ECOSYSTEM names no folder: run `cargo xtask ecosystem`")
    source, folder = EXAMPLES / name, PLACE / name
    files = {path.relative_to(source): path.read_bytes() for path in sorted(source.rglob("*")) if path.is_file()}
    state = repr(sorted((str(path), content) for path, content in files.items()))
    stamp = PLACE / f".{name}"
    if stamp.exists() and stamp.read_text() == state:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("target", "node_modules"))
    if (folder / "requirements.txt").exists():
        run(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "-r", str(folder / "requirements.txt"))
    if (folder / "package.json").exists():
        run("npm", "install", "--silent", "--no-audit", "--no-fund", cwd=folder)
    if (folder / "Cargo.toml").exists():
        run("cargo", "build", "--quiet", "--release", cwd=folder, env={**os.environ, "CARGO_TARGET_DIR": str(folder / "target")})
    stamp.write_text(state)
    return folder


def run(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900, **more)
    assert done.returncode == 0, f"{words} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def program(name):
    """The executable of a Rust example."""
    release = built(name) / "target" / "release"
    return next(path for path in release.iterdir() if path.is_file() and os.access(path, os.X_OK) and not path.suffix)


@pytest.fixture(scope="module")
def web(server):
    """Deploys an example as a web function; returns its URL."""
    return lambda name, path=None: json.loads(
        lacewing(server, "deploy", "--web", str(path or built(name)), "--name", f"web-{name}", "--json").stdout)["url"]


@pytest.fixture(scope="module")
def handler(server, lam):
    """Deploys an example as a handler behind a public URL; returns that."""
    def deploy(name, path=None, mode="BUFFERED"):
        lacewing(server, "deploy", str(path or built(name)), "--name", name, "--memory", "512", "--timeout", "30")
        url = lam.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode=mode)["FunctionUrl"]
        open_url(lam, FunctionName=name)
        return url
    return deploy


def curl(url, *more):
    return run("curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "60", url, *more)


def test_fastapi_as_a_web_function(web):
    assert json.loads(curl(f"{web('fastapi')}hello/ada?punctuation=%3F")) == {"hello": "ada?"}


def test_fastapi_behind_mangum(handler):
    assert json.loads(curl(f"{handler('mangum')}hello/ada")) == {"hello": "ada"}


def test_flask(web):
    url = web("flask")
    assert json.loads(curl(f"{url}?name=ada")) == {"hello": "ada"}
    assert curl(f"{url}upper", "--data-binary", "loud") == "LOUD"


def test_express_as_a_web_function_asked_by_fetch(web):
    script = """
        // Not every system's resolver knows that `*.localhost` is here; curl and browsers do without it.
        const dns = process.getBuiltinModule("dns"), usual = dns.lookup;
        dns.lookup = (host, options, done) => usual(host.endsWith(".localhost") ? "localhost" : host, options, done);
        const url = process.argv[1];
        const hello = await (await fetch(`${url}?name=ada`)).json();
        const sum = await (await fetch(`${url}sum`, { method: "POST", headers: { "content-type": "application/json" },
                                                      body: "[1,2,3]" })).json();
        console.log(JSON.stringify([hello, sum]));
    """
    said = run("node", "--input-type=module", "--eval", script, web("express"))
    assert json.loads(said) == [{"hello": "ada"}, {"sum": 6}]


def test_express_behind_serverless_express(handler):
    assert json.loads(curl(f"{handler('serverless-express')}?name=ada")) == {"hello": "ada"}


def test_powertools(handler):
    assert json.loads(curl(f"{handler('powertools')}hello/ada")) == {"hello": "ada"}


def test_hono(web):
    assert json.loads(curl(f"{web('hono')}?name=ada")) == {"hello": "ada"}


def test_an_axum_binary(web):
    assert curl(f"{web('axum', program('axum'))}hello/ada") == "hello ada"


def first_and_last(url):
    """When the first piece of an answer came and when the last, and all of it."""
    process = subprocess.Popen(["curl", "-sN", "--max-time", "60", url], stdout=subprocess.PIPE)
    pieces, first = b"", None
    while piece := process.stdout.read1(65536):
        first = first or time.monotonic()
        pieces += piece
    process.wait()
    return first, time.monotonic(), pieces.decode()


def test_a_page_streamed_as_it_is_rendered(web):
    first, last, page = first_and_last(web("stream"))
    assert "loading" in page and "loaded" in page and last - first > 0.2, "the shell came before the rest"


def test_lambda_http_streams(handler):
    first, last, text = first_and_last(handler("lambda-stream", program("lambda-stream"), "RESPONSE_STREAM"))
    assert text == "one two three" and last - first > 0.05


@pytest.fixture
def browser(tmp_path):
    """Opens a page in Chromium and returns what evaluates an expression in it."""
    if not BROWSER:
        pytest.skip("no Chromium here: apt-get install chromium")
    sys.path.append(str(built("fastapi")))
    from websockets.sync.client import connect
    stack = contextlib.ExitStack()

    def ended(process):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def open_page(url):
        process = subprocess.Popen(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--remote-debugging-port=0", url],
            env={**os.environ, "HOME": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        stack.callback(ended, process)
        active = tmp_path / "DevToolsActivePort"
        port = until(lambda: active.exists() and active.read_text().split("\n")[0], 30)
        pages = until(lambda: [page for page in requests.get(f"http://127.0.0.1:{port}/json/list", timeout=5).json()
                               if page["type"] == "page" and page["url"].startswith(url)], 60)
        devtools = stack.enter_context(connect(pages[0]["webSocketDebuggerUrl"], max_size=None))

        def evaluate(expression):
            devtools.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": expression}}))
            return json.loads(devtools.recv())["result"]["result"].get("value")
        return evaluate

    with stack:
        yield open_page


def test_events_and_a_websocket_in_a_browser(web, browser):
    url = web("fastapi")
    curl(url)  # On a busy machine a first start takes longer than a page's first try.
    evaluate = browser(url)
    text = lambda id: evaluate(f"document.getElementById({id!r})?.innerText")
    whole = lambda: evaluate("document.documentElement.outerHTML")
    until(lambda: text("events") == "1\n2\n3", 60, lambda: f"events: {text('events')!r} in {whole()}")
    until(lambda: text("socket") == "HELLO", 60, lambda: f"socket: {text('socket')!r} in {whole()}")
