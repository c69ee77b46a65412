"""The request log: a line for each request, made by a template, written in batches."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from utsuwa.gateway.request_log import write
from utsuwa.kit.timeline import Timeline, index_of
from utsuwa.model.settings.observability import REQUEST_LOG_TEMPLATE
from utsuwa.routing.messages import Delta, Endpoint, RequestLog
from utsuwa.testing.gateway import Hop, one_service, settle

HOST = b"Host: hello.default.example.com\r\n"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GET = (
    b"GET /cart?a=1 HTTP/1.1\r\n" + HOST + b"User-Agent: me\r\nReferer: there\r\n"
    b"traceparent: 00-" + TRACE.encode() + b"-00f067aa0ba902b7-01\r\n\r\n"
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = (
    b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n"
)
PROBE = b"GET / HTTP/1.1\r\n" + HOST + b"K-Network-Probe: probe\r\nK-Network-Hash: h\r\n\r\n"
SHORT = "{{.Response.Code}} {{.Response.Size}} {{.Revision.Name}} {{.Revision.PodName}}"


def logging(hop: Hop, how: RequestLog) -> None:
    endpoint = Endpoint("pod-1", "127.0.0.1", 9001, ready=True, pod="hello-1")
    table = one_service(endpoint, service="hello", configuration="conf")
    hop.table.apply(msgspec.structs.replace(table, request_log=how))


async def lines(hop: Hop, root: Path) -> list[str]:
    """What has been logged."""
    if hop.core.request_log is not None:
        await hop.core.request_log.flush()
    file = root / "default" / "_requests" / "hello.log"
    return file.read_text().splitlines() if file.exists() else []


async def ask(hop: Hop, request: bytes, *answer: bytes) -> None:
    client = hop.client()
    client.feed(request)
    await settle()
    for data in answer:
        hop.pods[-1].feed(data)
        await settle()


def hop_to(root: Path) -> Hop:
    hop = Hop()
    hop.core.logs = root
    return hop


async def test_the_usual_template_tells_all_of_a_request(tmp_path: Path) -> None:
    """As JSON."""
    hop = hop_to(tmp_path)
    logging(hop, RequestLog(REQUEST_LOG_TEMPLATE.source))
    await ask(hop, GET, OK)
    (line,) = await lines(hop, tmp_path)
    found: dict[str, Any] = json.loads(line)
    latency = found["httpRequest"].pop("latency")
    assert found == {
        "httpRequest": {
            "requestMethod": "GET", "requestUrl": "/cart?a=1", "requestSize": "0", "status": 200,
            "responseSize": "2", "userAgent": "me", "remoteIp": "10.0.0.9",
            "serverIp": "127.0.0.1", "referer": "there", "protocol": "HTTP/1.1",
        },
        "traceId": TRACE,
    }  # fmt: skip
    assert float(latency.removesuffix("s")) >= 0
    timeline = Timeline()
    timeline.extend(index_of(tmp_path / "default" / "_requests" / "hello.log").read_bytes())
    assert timeline.size == len(line) + 1


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ((OK,), "200 2 hello-00001 hello-1"),
        ((CHUNKED,), "500 6 hello-00001 hello-1"),
        ((CHUNKED[:60], CHUNKED[60:70], CHUNKED[70:]), "500 6 hello-00001 hello-1"),
        ((OK[:-1], b"k"), "200 2 hello-00001 hello-1"),
    ],
)
async def test_the_answer_is_counted_however_it_comes(
    tmp_path: Path, answer: tuple[bytes, ...], line: str
) -> None:
    """Its content, without what frames it."""
    hop = hop_to(tmp_path)
    logging(hop, RequestLog(SHORT))
    await ask(hop, GET, *answer)
    await ask(hop, GET, *answer)
    assert await lines(hop, tmp_path) == [line, line]


async def test_nothing_is_logged_unless_it_is_turned_on(tmp_path: Path) -> None:
    """And it can be, and turned off again, while requests come."""
    hop = hop_to(tmp_path)
    logging(hop, RequestLog())
    assert hop.core.request_log is None
    await ask(hop, GET, OK)
    hop.table.apply(Delta(version=2, request_log=RequestLog(SHORT)))
    await ask(hop, GET, OK)
    assert len(await lines(hop, tmp_path)) == 1
    hop.table.apply(Delta(version=3))
    assert hop.core.request_log is not None
    hop.table.apply(Delta(version=4, request_log=RequestLog()))
    await ask(hop, GET, OK)
    assert len(await lines(hop, tmp_path)) == 1


async def test_probes_are_logged_where_that_is_asked_for(tmp_path: Path) -> None:
    """The platform answers them itself."""
    hop = hop_to(tmp_path)
    logging(hop, RequestLog(SHORT))
    await ask(hop, PROBE)
    assert await lines(hop, tmp_path) == []
    hop.table.apply(Delta(version=2, request_log=RequestLog(SHORT, probes=True)))
    await ask(hop, PROBE)
    assert await lines(hop, tmp_path) == ["200 0 hello-00001 "]


async def test_a_line_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """A request is logged in any case."""
    hop = hop_to(tmp_path)
    logging(hop, RequestLog("{{index .Request.Method 7}}"))
    await ask(hop, GET, OK)
    (line,) = await lines(hop, tmp_path)
    assert line.startswith("Failed to execute request log template: ")


async def test_a_request_without_a_pod_is_logged(tmp_path: Path) -> None:
    """It was refused."""
    hop = hop_to(tmp_path)
    table = one_service(service="hello", unavailable="no image")
    hop.table.apply(msgspec.structs.replace(table, request_log=RequestLog(SHORT)))
    await ask(hop, GET)
    (line,) = await lines(hop, tmp_path)
    assert line.startswith("503 ")
    assert line.endswith(" hello-00001 ")


async def test_lines_are_written_without_being_asked(tmp_path: Path) -> None:
    """Soon, in batches."""
    hop = hop_to(tmp_path)
    logging(hop, RequestLog(SHORT))
    await ask(hop, GET, OK)
    await asyncio.sleep(1)
    for _ in range(200):
        if (tmp_path / "default").exists():
            break
        await asyncio.sleep(0.05)
    assert (tmp_path / "default" / "_requests" / "hello.log").read_text().startswith("200")


def test_gateways_share_a_file(tmp_path: Path) -> None:
    """Whoever writes notes the size that there then is."""
    file = tmp_path / "n" / "_requests" / "s.log"
    for number in range(3):
        write({file: [b"line\n"]}, number)
    timeline = Timeline()
    timeline.extend(index_of(file).read_bytes())
    assert (timeline.size, timeline.at(10)) == (15, 1)
