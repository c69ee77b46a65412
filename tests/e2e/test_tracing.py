"""Traces of a real cluster, as a real collector's protocol reads them."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.e2e.conftest import Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

HOST = "echo.default.localhost"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ECHO = """
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(self.headers.items())).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Collector:
    """Listens for OTLP over HTTP, and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                for one in ExportTraceServiceRequest.FromString(data).resource_spans:
                    collector.resources.append(one.resource)
                    collector.spans += [span for part in one.scope_spans for span in part.spans]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, trace: str) -> dict[str, Any]:
        """The spans of a trace, by name."""
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace}


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def echo(up: Up, tmp_path: Path) -> Up:
    """A service that answers with the header it was sent, and goes to zero soon."""
    data = '{"data":{"stable-window":"6s","scale-to-zero-grace-period":"1s"}}'
    up.kubectl(
        "-n", "knative-serving", "patch", "cm", "config-autoscaler", "--type", "merge", "-p", data
    )
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "main.py").write_text(ECHO)
    up.run("build", str(tmp_path / "echo"), "-t", "echo:1")
    up.run("deploy", "echo", "--image", "echo:1")
    return up


def observe(up: Up, **data: str) -> None:
    keys = {f"tracing-{name.replace('_', '-')}": value for name, value in data.items()}
    up.kubectl(
        "-n", "knative-serving", "patch", "cm", "config-observability", "--type", "merge",
        "-p", json.dumps({"data": keys}),
    )  # fmt: skip


def told(up: Up, traceparent: str = "") -> str:
    """What the application was told of the trace."""
    given = {"traceparent": traceparent} if traceparent else {}
    status, body = up.call(HOST, "/cart?secret=1", 30, **given)
    assert status == 200
    sent = {name.lower(): value for name, value in json.loads(body).items()}
    found: str = sent.get("traceparent", "")
    return found


def attributes(span: Any) -> dict[str, Any]:
    return {
        one.key: one.value.string_value or one.value.int_value or one.value.double_value
        for one in span.attributes
    }


def test_a_trace_goes_through_us_and_a_cold_start_is_in_it(echo: Up, collector: Collector) -> None:
    """Off: as it came. On: our spans between the client's and the application's."""
    given = f"00-{TRACE}-{CALLER}-01"
    assert told(echo, traceparent=given) == given
    assert told(echo) == ""

    observe(echo, protocol="http/protobuf", endpoint=collector.url, sampling_rate="0")
    until(lambda: told(echo, traceparent=given) != given, 10, "tracing")
    assert told(echo) == ""
    until(lambda: not echo.get("pods")["items"], 60, "zero")
    other = "1" * 32
    parent = told(echo, traceparent=f"00-{other}-{CALLER}-01").split("-")
    assert (parent[1], parent[3]) == (other, "01")
    spans = until(lambda: len(found := collector.of(other)) == 4 and found, 20, "spans")
    request, queue, cold, upstream = (
        spans[name] for name in ("GET", "queue", "cold start", "upstream")
    )
    assert request.parent_span_id.hex() == CALLER
    assert upstream.span_id.hex() == parent[2]
    assert upstream.parent_span_id == queue.parent_span_id == request.span_id
    assert cold.parent_span_id == queue.span_id
    assert request.start_time_unix_nano == queue.start_time_unix_nano < queue.end_time_unix_nano
    assert queue.end_time_unix_nano <= upstream.start_time_unix_nano + 1000
    assert [event.name for event in upstream.events] == ["first byte"]
    assert attributes(cold)["utsuwa.cold_start.listen_ms"] > 0
    about = attributes(request)
    assert about["kn.revision.name"] == "echo-00001"
    assert about["http.response.status_code"] == 200
    assert about["url.path"] == "/cart"
    assert "secret" not in str(request)
    assert {"service.name": "utsuwa-gateway"}.items() <= attributes(collector.resources[0]).items()


def test_every_request_is_traced_at_rate_one_until_it_is_turned_off(
    echo: Up, collector: Collector
) -> None:
    observe(echo, protocol="http/protobuf", endpoint=collector.url, sampling_rate="1")
    until(lambda: told(echo), 10, "tracing")
    seen = {told(echo).split("-")[1] for _ in range(20)}
    assert len(seen) == 20
    until(lambda: all(collector.of(trace) for trace in seen), 20, "their spans")
    observe(echo, protocol="none", endpoint="", sampling_rate="0")
    until(lambda: not told(echo), 10, "no tracing")
