"""Logs of real processes: bounded while they are written and followed, and kept afterwards."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.e2e.conftest import Up, need, until

from utsuwa.logs.file import on_disk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CHATTY = '''\
"""Writes ?n= numbered lines, then answers with the next number; ?end= ends it."""
import os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

written = 0

class Chatty(BaseHTTPRequestHandler):
    def do_GET(self):
        global written
        asked = parse_qs(urlsplit(self.path).query)
        for _ in range(int(asked.get("n", ["0"])[0])):
            os.write(1, b"line %06d %s\\\\n" % (written, b"x" * 87))
            written += 1
        for text in asked.get("say", ()):
            os.write(1, text.encode() + b"\\\\n")
        if "end" in asked:
            os._exit(3)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
HTTPServer(("", int(os.environ["PORT"])), Chatty).serve_forever()
'''.replace("\\\\n", "\\n")
HOST = "chatty.default.localhost"
BOUNDS = (
    '{"data":{"logging.container-max-size":"256Ki","logging.container-max-files":"2",'
    '"logging.service-max-bytes":"64Mi"}}'
)


@pytest.fixture
def chatty(up: Up, tmp_path: Path) -> Up:
    """A service that writes what it is told to, and logs of half a MiB."""
    source = tmp_path / "chatty"
    source.mkdir()
    (source / "main.py").write_text(CHATTY)
    up.kubectl("-n", "knative-serving", "patch", "cm", "config-observability",
               "--type", "merge", "-p", BOUNDS)  # fmt: skip
    up.kubectl("-n", "knative-serving", "patch", "cm", "config-autoscaler",
               "--type", "merge", "-p", '{"data":{"stable-window":"6s"}}')  # fmt: skip
    up.run("build", str(source), "-t", "chatty:1")
    up.run("deploy", "chatty", "--image", "chatty:1", "--min-scale", "1", "--max-scale", "1")
    return up


class Followed:
    """Output of a command, read as it comes."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        self.lines: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)

    def has(self, count: int) -> bool:
        """Whether `count` lines have come."""
        return len(self.lines) >= count

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def numbers(lines: list[bytes]) -> list[int]:
    """Of the numbered lines; fails where one is not whole."""
    found = [line for line in lines if line.strip() and not line.startswith(b"said")]
    assert all(line.startswith(b"line ") and len(line) == 100 for line in found), found[:3]
    return [int(line[5:11]) for line in found]


def pod_of(up: Up) -> str:
    (pod,) = up.get("pods", "-l", "serving.knative.dev/service=chatty")["items"]
    return str(pod["metadata"]["name"])


def log_of(up: Up) -> Path:
    (found,) = (up.data_dir / "logs" / "default").glob("chatty-*/user-container/0.log")
    return found


@pytest.fixture
def followers(chatty: Up) -> Iterator[list[Followed]]:
    """Ended whatever happens."""
    started: list[Followed] = []
    yield started
    for one in started:
        one.end()


def test_who_follows_sees_each_line_once_while_the_oldest_are_dropped(
    chatty: Up, followers: list[Followed]
) -> None:
    """Through many rotations, and a program that writes on while control is killed."""
    pod = pod_of(chatty)
    followed = Followed([need("kubectl"), "logs", "-f", pod], chatty.environment)
    followers.append(followed)
    for round_ in range(10):
        assert chatty.call(HOST, "/?n=2000")[0] == 200
        expected = 2000 * (round_ + 1)
        until(partial(followed.has, expected), 20, "all lines")
    assert numbers(followed.lines) == list(range(20_000))
    log = log_of(chatty)
    until(lambda: on_disk(log) <= 2 * 256 * 1024 + 8192, 10, "bounded")
    assert log.stat().st_size == 20_000 * 100

    os.kill(chatty.pid_of("control"), signal.SIGKILL)
    assert chatty.call(HOST, "/?n=20000")[0] == 200
    until(lambda: chatty.kubectl("get", "ksvc", check=False).returncode == 0, 20)
    until(lambda: on_disk(log) <= 2 * 256 * 1024 + 8192, 10, "bounded again")

    kept = numbers(chatty.kubectl("logs", pod).stdout.encode().splitlines(keepends=True))
    assert kept == list(range(kept[0], 40_000))
    assert 2000 < len(kept) < 5400
    assert chatty.kubectl("logs", pod, "--tail", "1").stdout.startswith("line 039999 ")
    stamped = chatty.kubectl("logs", pod, "--timestamps", "--tail=2").stdout.splitlines()
    assert [line.split(" ")[1:3] for line in stamped] == [["line", "039998"], ["line", "039999"]]
    since = chatty.kubectl("logs", pod, "--since", "1h").stdout
    assert numbers(since.encode().splitlines(keepends=True)) == kept


def test_the_life_before_is_there_with_its_last_lines(chatty: Up) -> None:
    """After a crash, though its oldest lines were dropped."""
    chatty.call(HOST, "/?n=12000")
    chatty.call(HOST, "/?say=said+goodbye&end=1")
    pod = pod_of(chatty)
    until(
        lambda: "said goodbye" in chatty.kubectl("logs", pod, "--previous", check=False).stdout, 20
    )
    before = chatty.kubectl("logs", pod, "--previous").stdout.encode().splitlines(keepends=True)
    assert before[-1] == b"said goodbye\n"
    assert numbers(before)[-1] == 11_999


def test_a_service_tells_all_that_its_pods_wrote(chatty: Up, followers: list[Followed]) -> None:
    """Structured lines by level and request, of pods that are gone too, and on across a restart
    of control."""
    said = (
        '{"severity":"INFO","message":"began","requestId":"r-77"}',
        '{"severity":"ERROR","message":"disk+full","free":0,"requestId":"r-77"}',
        "plain+text",
    )
    for text in said:
        chatty.call(HOST, "/?say=" + quote(text, safe="+"))
    until(lambda: "disk full" in chatty.run("logs", "chatty").stdout, 10)
    lines = chatty.run("logs", "chatty").stdout.splitlines()
    assert lines[-3:] == ["INFO began requestId=r-77", "ERROR disk full free=0 requestId=r-77",
                          "plain text"]  # fmt: skip
    worst = chatty.run("logs", "chatty", "--level", "warning", "-o", "json").stdout
    (found,) = map(json.loads, worst.splitlines())
    assert (found["message"], found["payload"]["free"]) == ("disk full", 0)
    about = chatty.run("logs", "chatty", "--request-id", "r-77", "--since", "1h").stdout
    assert len(about.splitlines()) == 2

    first = pod_of(chatty)
    following = Followed(
        [sys.executable, "-m", "utsuwa.cli", "logs", "chatty", "-f", "--tail", "1"],
        chatty.environment,
    )
    followers.append(following)
    until(lambda: following.lines, 10, "the first line")
    chatty.run("deploy", "chatty", "--image", "chatty:1", "--min-scale", "1", "--env", "NEW=1")
    until(lambda: first not in chatty.kubectl("get", "pods", "-o", "name").stdout, 30)
    chatty.call(HOST, "/?say=second+pod")
    until(lambda: any(b"second pod" in line for line in following.lines), 10)
    os.kill(chatty.pid_of("control"), signal.SIGKILL)
    chatty.call(HOST, "/?say=while+control+was+down")
    until(lambda: any(b"was down" in line for line in following.lines), 20)
    assert len([line for line in following.lines if b"second pod" in line]) == 1
    both = chatty.run("logs", "chatty").stdout
    assert f"{first} | plain text" in both
    assert "while control was down" in both
    assert "plain text" not in chatty.run("logs", "chatty", "--revision", "chatty-00002").stdout

    chatty.run("delete", "chatty")
    until(lambda: not chatty.get("pods")["items"], 30)
    gone = chatty.run("logs", "chatty", "--tail", "2", "--search", "CONTROL")
    assert gone.stdout.endswith("while control was down\n")
    assert "no pod is running" in gone.stderr
    assert "not found" in chatty.run("logs", "nobody", check=False).stderr


def test_requests_are_logged_while_that_is_on(chatty: Up) -> None:
    """At once, by the template that is set; a template that cannot be is refused."""
    chatty.call(HOST, "/unseen")
    observe(chatty, {"logging.enable-request-log": "true"})
    until(lambda: logged_after(chatty, "/seen"), 15, "the first line")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    chatty.call(HOST, "/?say=traced+" + trace, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    until(lambda: trace in chatty.run("logs", "chatty", "--requests", "-o", "raw").stdout, 10)
    lines = chatty.run("logs", "chatty", "--requests", "-o", "json").stdout.splitlines()
    found = json.loads(lines[-1])
    assert (found["httpRequest"]["status"], found["trace"]) == (200, trace)
    assert "unseen" not in str(lines)
    both = chatty.run("logs", "chatty", "--request-id", trace).stdout
    assert "requests | " in both
    assert f"traced {trace}" in both

    refused = observe(chatty, {"logging.request-log-template": "{{.Request.Body}}"}, check=False)
    assert "there is no field .Request.Body" in refused
    observe(chatty, {"logging.request-log-template": "served {{.Request.RequestURI}}"})
    until(lambda: "served /again" in logged_after(chatty, "/again"), 15)
    observe(chatty, {"logging.enable-request-log": "false"})
    until(lambda: silent(chatty), 20, "no more lines")


def observe(up: Up, data: dict[str, str], *, check: bool = True) -> str:
    """Set keys of config-observability; what was said to it."""
    patch = json.dumps({"data": data})
    return up.kubectl(
        "-n", "knative-serving", "patch", "cm", "config-observability", "--type", "merge",
        "-p", patch, check=check,
    ).stderr  # fmt: skip


def logged(up: Up) -> str:
    return up.run("logs", "chatty", "--requests", "-o", "raw").stdout


def logged_after(up: Up, path: str) -> str:
    """The request log, soon after one more request."""
    up.call(HOST, path)
    return logged(up)


def silent(up: Up) -> bool:
    """Whether a request leaves no line any more."""
    before = logged(up)
    up.call(HOST, "/quiet")
    time.sleep(0.5)  # longer than lines are held
    return logged(up) == before
