"""From a directory to a running service: bundles, Dockerfiles, the line that failed, `utsuwa dev`."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.e2e.conftest import Up, until

pytestmark = pytest.mark.e2e

DOCKERFILE = """\
# Nothing but a shell.
FROM scratch AS base
COPY busybox /bin/busybox

FROM base
COPY www /www
RUN ["/bin/busybox", "sh", "-c", "echo {greeting} \\
     > /www/index.html; echo made; exit {code}"]
CMD ["/bin/busybox", "sh", "-c", "exec busybox httpd -f -p $PORT -h /www"]
"""
APP = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{text}")
print("serving {text}", flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def cluster(with_engine: Up) -> Up:
    return with_engine


def a_dockerfile(directory: Path, greeting: str, code: int = 0) -> Path:
    (directory / "www").mkdir(parents=True, exist_ok=True)
    (directory / "www" / "secret.txt").write_text("secret\n")
    (directory / ".dockerignore").write_text("www/secret.txt\n")
    found = shutil.which("busybox")
    assert found is not None
    shutil.copyfile(found, directory / "busybox")
    (directory / "busybox").chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IXOTH)
    (directory / "Dockerfile").write_text(DOCKERFILE.format(greeting=greeting, code=code))
    return directory


def test_a_dockerfile_is_built_and_runs(cluster: Up, tmp_path: Path) -> None:
    """Its log comes along, the Revision has the digest, ignored files stay out; a second build
    makes another image, and what failed leaves the service as it was."""
    app = a_dockerfile(tmp_path / "app", "one")
    done = cluster.run("deploy", "boxed", "--source", str(app))
    assert "made" in done.stderr.splitlines()
    assert cluster.call("boxed.default.localhost") == (200, "one\n")
    assert cluster.call("boxed.default.localhost", "/secret.txt")[0] == 404
    container = cluster.get("ksvc", "boxed")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].startswith("dev.local/boxed@sha256:")

    failed = cluster.run(
        "deploy", "boxed", "--source", str(a_dockerfile(app, "two", 3)), check=False
    )
    assert failed.returncode == 1
    assert f"{app}/Dockerfile:7: RUN " in failed.stderr
    assert "exit status 3" in failed.stderr
    assert "  | made\n" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert cluster.call("boxed.default.localhost") == (200, "one\n")

    cluster.run("deploy", "boxed", "--source", str(a_dockerfile(app, "three")))
    assert cluster.call("boxed.default.localhost") == (200, "three\n")
    first = cluster.get("revision", "boxed-00001")["spec"]["containers"][0]["image"]
    assert first == container["image"]
    cluster.run("traffic", "boxed", "rollback")
    assert cluster.call("boxed.default.localhost") == (200, "one\n")


def test_the_same_dockerfile_twice_is_the_same_image(cluster: Up, tmp_path: Path) -> None:
    """The engine keeps what it has built; the digest alone goes to stdout."""
    app = a_dockerfile(tmp_path / "app", "one")
    digests = {cluster.run("build", str(app), "-t", "dev.local/x:1").stdout for _ in range(2)}
    assert len(digests) == 1
    (app / "Dockerfile").write_text("FROM scratch\nCPY a /\n")
    failed = cluster.run("build", str(app), "-t", "dev.local/x:1", check=False)
    assert failed.returncode == 1
    assert "CPY" in failed.stderr


def test_a_directory_with_both_goes_by_the_builder(cluster: Up, tmp_path: Path) -> None:
    """`--builder bundle` leaves the Dockerfile alone."""
    app = a_dockerfile(tmp_path / "app", "boxed")
    (app / "main.py").write_text(APP.format(text="bundled"))
    cluster.run("deploy", "both", "--source", str(app), "--builder", "bundle")
    assert cluster.call("both.default.localhost") == (200, "bundled")
    cluster.run("deploy", "both", "--source", str(app))
    assert cluster.call("both.default.localhost") == (200, "boxed\n")


def without_engine(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock", "HOME": str(tmp_path)}


def utsuwa(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "utsuwa.cli", *arguments],
        env=without_engine(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_dockerfile_without_an_engine_says_how_to_get_one(tmp_path: Path) -> None:
    """One sentence, with the command; where a bundle can be made, one is made, and it is said."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "Containerfile").write_text("FROM scratch\n")
    command = ("build", str(app), "-t", "x:1", "--data-dir", str(tmp_path / "data"))
    failed = utsuwa(tmp_path, *command)
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"utsuwa: {app}/Containerfile needs a container engine: ")
    assert "install" in failed.stderr
    (app / "main.py").write_text(APP.format(text="bundled"))
    done = utsuwa(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert "a bundle is built: no container engine" in done.stderr
    assert utsuwa(tmp_path, *command, "--builder", "dockerfile").returncode == 1


@dataclass
class Dev:
    """One `utsuwa dev`, read along."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    def read(self) -> "Dev":
        def read() -> None:
            assert self.process.stdout is not None
            with self.process.stdout as output:
                self.lines.extend(line.rstrip("\n") for line in output)

        threading.Thread(target=read, daemon=True).start()
        return self

    def says(self, words: str, times: int = 1) -> str:
        """The last line with `words`, once there are so many."""

        def found() -> list[str]:
            assert self.process.poll() is None, self.lines
            lines = [line for line in self.lines if words in line]
            return lines if len(lines) >= times else []

        return str(until(found, 60, f"{words!r} in {self.lines}")[-1])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)


@pytest.fixture
def start_dev() -> Iterator[Callable[..., Dev]]:
    running: list[Dev] = []

    def start(environment: dict[str, str], *arguments: str) -> Dev:
        process = subprocess.Popen(
            [sys.executable, "-m", "utsuwa.cli", "dev", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(Dev(process).read())
        return running[-1]

    yield start
    for dev in running:
        if dev.process.poll() is None:
            dev.stop()


def an_app(directory: Path, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "main.py").write_text(APP.format(text=text))
    return directory


def test_dev_serves_what_was_saved_last(
    up: Up, tmp_path: Path, start_dev: Callable[..., Dev]
) -> None:
    """A save rolls; a mistake is told with its file, while what worked goes on; old revisions go;
    the end removes the service."""
    app = an_app(tmp_path / "shop", "one")
    dev = start_dev(up.environment, str(app))
    dev.says("shop-dev-00001 is ready")
    dev.says("serving one")
    host = "shop-dev.default.localhost"
    assert up.call(host) == (200, "one")
    for number in range(2, 8):
        an_app(app, f"save {number}")
        (app / "note.pyc").write_text(f"{number}")
        dev.says("is ready", number)
        assert up.call(host) == (200, f"save {number}")
    (app / "main.py").write_text("import nothing_of_that_name\n")
    assert f"{app}/main.py" in dev.says(" fails: ")
    dev.says("goes on with what worked last")
    assert up.call(host) == (200, "save 7")
    an_app(app, "save 8")
    dev.says("is ready", 8)
    until(lambda: up.call(host) == (200, "save 8"), what="the mended one serves")
    until(lambda: len(up.get("revisions")["items"]) == 1, what="old revisions are gone")
    assert dev.stop() == 0
    assert up.get("ksvc")["items"] == []


def test_dev_leaves_a_deployed_service_alone(
    up: Up, tmp_path: Path, start_dev: Callable[..., Dev]
) -> None:
    """And says what to do."""
    app = an_app(tmp_path / "shop", "one")
    up.run("deploy", "shop-dev", "--source", str(app))
    dev = start_dev(up.environment, str(app))
    assert dev.process.wait(30) == 1
    until(lambda: any("--name NAME" in line for line in dev.lines))
    assert up.call("shop-dev.default.localhost") == (200, "one")


def test_dev_starts_a_cluster_where_none_runs(
    tmp_path: Path, start_dev: Callable[..., Dev]
) -> None:
    """For as long as it runs; `--keep` leaves the service for the next one."""
    data = tmp_path / "data"
    environment = {**os.environ, "HOME": str(tmp_path)}
    app = an_app(tmp_path / "shop", "one")
    dev = start_dev(environment, str(app), "--data-dir", str(data), "--keep")
    dev.says("one is started")
    dev.says("shop-dev-00001 is ready")
    assert dev.stop() == 0
    cluster = Up(data).start().ready()
    try:
        until(lambda: cluster.call("shop-dev.default.localhost") == (200, "one"))
    finally:
        cluster.stop()
