"""The real binary, started and stopped as an operator would."""
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from .wait import until

BINARY = os.environ.get("LACEWING_BIN", "")
KEY, SECRET = "AKIALACEWINGTESTS000", "a-secret-of-the-tests-only"
ACCOUNT, REGION = "000000000000", "us-east-1"
READY_SECONDS_MAX, STOP_SECONDS_MAX = 20, 30

# Servers of this test run that are up, so that a check for leftovers knows which processes are whose.
RUNNING = []


class Server:
    """One `lacewing serve` on a free loopback port; its data outlives it, so that it can be started again."""

    def __init__(self, data: Path, config: str = "", arguments=(), environment=None, binary=None, **how):
        self.data, self.arguments, self.environment = Path(data), list(arguments), environment or {}
        self.binary, self.how = binary or BINARY, how
        self.data.mkdir(parents=True, exist_ok=True)
        self.process, self.address, self.lines = None, None, []
        if config:
            file = self.data.parent / f"{self.data.name}.toml"
            file.write_text(config)
            self.arguments += ["--config", str(file)]

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def talk(self) -> str:
        """Everything that it said on stderr."""
        return "\n".join(self.lines)

    def start(self) -> "Server":
        command = [str(self.binary), "serve", "--listen", "127.0.0.1:0", "--data-dir", str(self.data),
                   "--root-key", f"{KEY}:{SECRET}", *self.arguments]
        self.address, self.lines = None, []
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="replace",
                                        env={**os.environ, **self.environment}, **self.how)
        listener = threading.Thread(target=self._listen, args=(self.process,), daemon=True)
        listener.start()
        until(lambda: self.address or self.process.poll() is not None, READY_SECONDS_MAX,
              lambda: f"not ready; it said:\n{self.talk}")
        if not self.address:
            listener.join(5)  # so that its last words are heard
        assert self.address, f"the server ended with {self.process.returncode} and said:\n{self.talk}"
        RUNNING.append(self)
        return self

    @property
    def is_up(self) -> bool:
        return self.process.poll() is None

    def _listen(self, process):
        for line in process.stderr:
            self.lines.append(line.rstrip("\n"))
            found = re.search(r"lacewing ready: http://(\S+)", line)
            if found:
                self.address = found.group(1)

    def stop(self) -> int:
        """SIGTERM, as a service manager does; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
            self._forget()
            return code
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop within {STOP_SECONDS_MAX} s; it said:\n{self.talk}") from None

    def kill(self):
        """`kill -9`: what a crash leaves."""
        self.process.kill()
        self.process.wait()
        self._forget()

    def _forget(self):
        if self in RUNNING:
            RUNNING.remove(self)

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


def now_ms() -> int:
    return int(time.time() * 1000)
