"""Charts of a real service: `utsuwa observe`, `utsuwa top`, and a history that survives restarts."""

import csv
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Up, run, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

HISTORY = "/apis/serving.knative.dev/v1/namespaces/default/services/hello/history"


def history(up: Up, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(up.kubectl("get", "--raw", f"{HISTORY}{query}").stdout)
    return found


def answered(up: Up, query: str = "") -> int:
    told = history(up, query)
    return int(sum(told["series"][told["columns"].index("2xx")]))


def test_a_run_is_shown_summed_up_and_written(hello: Up, tmp_path: Path) -> None:
    """Without a terminal a line a second; then hey's summary, and four files of the same run."""
    files = {form: tmp_path / f"run.{form}" for form in ("html", "png", "svg", "csv")}
    outputs = [word for form, path in files.items() for word in (f"--{form}", str(path))]
    done = hello.run("observe", "hello", "--load", "c=4,n=200,path=/", *outputs)
    assert done.stdout.splitlines()[0].split()[:2] == ["time", "requests/s"]
    assert "Status code distribution:\n  [200]\t200 responses" in done.stdout
    assert f"Wrote {files['png']}." in done.stdout
    with files["csv"].open() as opened:
        rows = list(csv.DictReader(opened))
    assert sum(int(row["2xx"]) for row in rows) == 200
    assert max(int(row["ready"]) for row in rows) >= 1
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    assert "200 requests of /, 4 at a time" in files["svg"].read_text()
    assert "[200]\t200 responses" in files["html"].read_text()
    assert answered(hello) == 200


def test_the_history_survives_restarts_and_its_own_loss(hello: Up) -> None:
    """Of control, killed; of the whole; and the file may be deleted."""
    for _ in range(20):
        assert hello.call("hello.default.localhost")[0] == 200
    until(lambda: answered(hello) == 20, 10, "twenty answers in the history")
    called = time.time()
    path = hello.data_dir / "history.db"
    until(lambda: stored(path) >= called, 30, "a batch with all of them in the file")
    os.kill(hello.pid_of("control"), signal.SIGKILL)
    until(lambda: hello.kubectl("get", "--raw", "/readyz", check=False).returncode == 0)
    assert answered(hello) == 20
    assert hello.call("hello.default.localhost")[0] == 200
    until(lambda: answered(hello) == 21, 10, "the twenty-first")
    assert hello.stop() == 0
    hello.lines.clear()
    hello.start().ready()
    assert answered(hello) == 21
    assert answered(hello, "?step=60") >= 1
    path.unlink()
    assert hello.call("hello.default.localhost")[0] == 200
    until(lambda: answered(hello) in {1, 22}, 10, "a history that goes on")
    assert "deploy" not in {mark[1] for mark in history(hello, f"?since={2**33}")["marks"]}


def stored(path: Path) -> int:
    """Up to when the file has seconds, in Unix seconds; 0: it has none."""
    if not path.exists():
        return 0
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        (last,) = connection.execute("SELECT max(until) FROM blocks WHERE step = 1").fetchone()
    connection.close()
    return int(last or 0)


def test_ctrl_c_ends_watching_and_nothing_is_wrong(hello: Up) -> None:
    """In a terminal: the charts stay on it, exit code 0."""
    hello.call("hello.default.localhost")
    code, text = in_terminal(hello, "observe", "hello", until_text="pods")
    assert code == 0
    assert "default/hello" in text
    assert "Traceback" not in text


def test_top_shows_every_service(hello: Up) -> None:
    """Once, into a pipe; live in a terminal, until Ctrl-C."""
    hello.call("hello.default.localhost")
    lines = hello.run("top").stdout.splitlines()
    assert lines[0].split()[:3] == ["SERVICE", "REQ/S", "ERR/S"]
    assert [line.split()[0] for line in lines[1:]] == ["hello"]
    assert hello.run("top", "-A").stdout.splitlines()[1].startswith("hello")
    code, text = in_terminal(hello, "top", until_text="Ctrl-C ends it")
    assert code == 0
    assert "hello" in text


def test_what_cannot_be_is_said_at_once(hello: Up, tmp_path: Path) -> None:
    """Before a run of minutes, not after it."""
    nobody = hello.run("observe", "nobody", check=False)
    assert nobody.returncode == 1
    assert '"nobody" not found' in nobody.stderr
    odd = hello.run("observe", "hello", "--load", "c=0", check=False)
    assert odd.returncode == 2
    assert "c='0': expected a whole number of at least 1" in odd.stderr
    where = hello.run("observe", "hello", "--csv", str(tmp_path / "no" / "x.csv"), check=False)
    assert where.returncode == 1
    assert "is no directory" in where.stderr


def in_terminal(up: Up, *arguments: str, until_text: str) -> tuple[int, str]:
    """Run a command in a terminal of its own and press Ctrl-C once `until_text` is to be seen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "utsuwa.cli", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs,
        env={**up.environment, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "50"},
    )  # fmt: skip
    os.close(theirs)
    seen: list[str] = []

    def read() -> None:
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other side is closed
                return
            seen.append(data.decode(errors="replace"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        until(lambda: until_text in "".join(seen) or process.poll() is not None, 20, until_text)
        process.send_signal(signal.SIGINT)
        code = process.wait(10)
        reader.join(5)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return code, "".join(seen)


def test_another_kubeconfig_will_do(hello: Up, tmp_path: Path) -> None:
    """`top` from wherever the kubeconfig is known."""
    environment = {**hello.environment, "UTSUWA_DATA_DIR": str(tmp_path / "elsewhere")}
    command = [sys.executable, "-m", "utsuwa.cli", "top", "--kubeconfig"]
    done = run([*command, str(hello.data_dir / "kubeconfig")], environment, check=True)
    assert "hello" in done.stdout
