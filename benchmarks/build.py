"""From source: how long a build takes the first, the second and the third time, and how long after
a save `utsuwa dev` answers with the new code.

The app needs Flask and has two hundred modules. Builds are whole commands, from start to exit. An
answer is asked for each 5 ms.
"""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.cluster import Cluster, cluster, percentile

BUILDS = 9
SAVES = 30
MODULES = 200
FLASK = """\
import os
from flask import Flask
app = Flask(__name__)
VERSION = "{version}"
@app.get("/")
def root():
    return VERSION
if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]))
"""
STDLIB = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{version}")
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def an_app(directory: Path, code: str, needs: str = "") -> Path:
    package = directory / "modules"
    package.mkdir(parents=True)
    for number in range(MODULES):
        lines = "\n".join(f"def f{line}(x): return x + {line}" for line in range(50))
        (package / f"m{number}.py").write_text(lines)
    if needs:
        (directory / "requirements.txt").write_text(needs)
    (directory / "main.py").write_text(code.format(version="0"))
    return directory


def timed(up: Cluster, app: Path) -> float:
    started = time.monotonic()
    up.run("build", str(app), "-t", "bench:1")
    return time.monotonic() - started


def builds(up: Cluster, app: Path) -> dict[str, list[float]]:
    first = timed(up, app)
    unchanged = [timed(up, app) for _ in range(BUILDS)]
    changed = []
    for number in range(BUILDS):
        (app / "main.py").write_text(FLASK.format(version=f"build {number}"))
        changed.append(timed(up, app))
    return {"first": [first], "unchanged": unchanged, "one file changed": changed}


class Dev:
    """A running `utsuwa dev`."""

    def __init__(self, up: Cluster, app: Path) -> None:
        self._app = app
        self._port = up.gateway_port
        self._process = subprocess.Popen(
            [sys.executable, "-m", "utsuwa.cli", "dev", str(app), "--data-dir", str(up.data_dir)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"is ready after .* http://([^:/ ]+)", line):
                self._host = found[1]
                break
        threading.Thread(target=self._process.stderr.read, daemon=True).start()

    def save(self, code: str, version: str) -> float:
        """Seconds from the save to the first answer of the new code."""
        (self._app / "main.py").write_text(code.format(version=version))
        started = time.monotonic()
        while self._answer() != version:
            time.sleep(0.005)
        return time.monotonic() - started

    def _answer(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": self._host})
            return connection.getresponse().read().decode()

    def end(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)


def saves(up: Cluster, app: Path, code: str) -> list[float]:
    dev = Dev(up, app)
    try:
        taken = []
        for number in range(SAVES):
            taken.append(dev.save(code, f"save {number}"))
            time.sleep(0.3)
        return taken
    finally:
        dev.end()


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary, cluster() as up:
        flask = an_app(Path(temporary) / "flask-app", FLASK, "flask\n")
        plain = an_app(Path(temporary) / "plain-app", STDLIB)
        rows = {f"build, {what}": values for what, values in builds(up, flask).items()}
        rows["save to answer, standard library"] = saves(up, plain, STDLIB)
        rows["save to answer, Flask"] = saves(up, flask, FLASK)
    print("from source, s                          p50     worst")
    for title, values in rows.items():
        print(f"  {title:<36} {percentile(values, 0.5):6.2f}   {max(values):6.2f}")


if __name__ == "__main__":
    main()
