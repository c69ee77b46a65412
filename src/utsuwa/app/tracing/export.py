"""Sending spans, in a thread: whoever makes them never waits, and what finds no room is counted.

The exporters are OpenTelemetry's. They are imported when tracing is turned on, in that thread:
they cost some 30 MiB and half a second.
"""

import logging
import queue
import random
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from utsuwa import __version__
from utsuwa.kit.log import get_logger
from utsuwa.model.settings.observability import Tracing
from utsuwa.routing.messages import Traced
from utsuwa.routing.tracing import CLIENT, INTERNAL, SERVER, Span, spans_of

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

_log = get_logger(__name__)

ROOM = 5_000
"""Traced requests that wait to be sent."""
BATCH = 500
"""Traced requests that are sent together."""
PATIENCE = 1.0
"""Seconds for which a batch is waited for."""
TIMEOUT = 5.0
"""Seconds that a collector may take."""
ENDING = 3.0
"""Seconds for the last batch."""
INSTALL = "pip install 'utsuwa[otel]'"


class Exporter(Protocol):
    """Sends spans."""

    def send(self, spans: Sequence[Span]) -> bool:
        """Whether they have arrived."""
        ...

    def close(self) -> None:
        """No more."""
        ...


class MissingError(Exception):
    """The exporters are not installed, or cannot be made as configured; the message says so."""


Load = Callable[[Tracing], Exporter]


class Sender:
    """A thread that sends what it is given.

    Mutable state: `exported` and `dropped`, requests so far, each written by one thread alone
    (`_lost` by the thread, `_full` by the loop); `fault`, what keeps it from working at all.
    """

    def __init__(self, config: Tracing, load: Load, source: random.Random) -> None:
        self._config = config
        self._load = load
        self._random = source
        self._jobs: queue.Queue[Traced | None] = queue.Queue(ROOM)
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._full = self._lost = 0
        self._failing = False
        self.exported = 0
        self.fault = ""

    def __repr__(self) -> str:
        return f"<Sender {self._config.protocol} exported={self.exported} dropped={self.dropped}>"

    @property
    def dropped(self) -> int:
        """Traced requests that nobody will see."""
        return self._full + self._lost

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, requests: Sequence[Traced]) -> None:
        """Send these as soon as possible. Never waits."""
        for number, request in enumerate(requests):
            try:
                self._jobs.put_nowait(request)
            except queue.Full:
                self._full += len(requests) - number
                return

    def close(self) -> None:
        """Send what waits and end; waits for a few seconds at most. Not for the loop."""
        try:
            self._jobs.put(None, timeout=ENDING)
        except queue.Full:
            return
        self._thread.join(ENDING)

    # --- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            exporter = self._load(self._config)
        except MissingError as error:
            self.fault = str(error)
            _log.warning("traces are not exported", reason=error)
            return
        more = True
        while more:
            batch, more = self._batch()
            if batch:
                self._send(exporter, batch)
        exporter.close()

    def _batch(self) -> tuple[list[Traced], bool]:
        """What is to be sent together, and whether there will be more."""
        batch: list[Traced] = []
        while len(batch) < BATCH:
            try:
                request = self._jobs.get(timeout=PATIENCE if batch else None)
            except queue.Empty:
                break
            if request is None:
                return batch, False
            batch.append(request)
        return batch, True

    def _send(self, exporter: Exporter, batch: Sequence[Traced]) -> None:
        spans = [span for request in batch for span in spans_of(request, self._new_id)]
        why = ""
        try:
            arrived = exporter.send(spans)
        except Exception as error:  # of a library: this thread must outlive it
            arrived, why = False, repr(error)
        if arrived:
            self.exported += len(batch)
        else:
            self._lost += len(batch)
        if arrived == self._failing:  # it was otherwise before
            self._failing = not arrived
            told = _log.info if arrived else _log.warning
            told("traces arrive" if arrived else "traces do not arrive",
                 endpoint=self._config.endpoint, dropped=self.dropped, reason=why)  # fmt: skip

    def _new_id(self) -> bytes:
        return self._random.getrandbits(64).to_bytes(8, "big")


# --- OpenTelemetry ------------------------------------------------------------------------------


def load(config: Tracing) -> Exporter:
    """The exporter of `config`.

    Raises:
        MissingError: it is not installed, or refuses its settings.
    """
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # we tell of failures, once
    try:
        return _OpenTelemetry(config)
    except ImportError as error:
        raise MissingError(
            f"tracing-protocol {config.protocol} needs OpenTelemetry: {INSTALL}, then restart"
        ) from error
    except ValueError as error:
        raise MissingError(f"tracing-endpoint {config.endpoint!r}: {error}") from error


class _OpenTelemetry:
    """OpenTelemetry's exporter of a protocol, and its kind of spans."""

    def __init__(self, config: Tracing) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

        self._resource: Resource = Resource(
            {"service.name": "utsuwa-gateway", "service.version": __version__}
        )
        exporter: SpanExporter
        if config.protocol == "http/protobuf":
            from opentelemetry.exporter.otlp.proto.http import trace_exporter as over_http

            exporter = over_http.OTLPSpanExporter(endpoint=config.endpoint, timeout=TIMEOUT)
        elif config.protocol == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as over_grpc

            exporter = over_grpc.OTLPSpanExporter(endpoint=config.endpoint, timeout=TIMEOUT)
        else:
            exporter = ConsoleSpanExporter(
                out=sys.stdout, formatter=lambda span: span.to_json(indent=None) + "\n"
            )
        self._exporter = exporter

    def send(self, spans: Sequence[Span]) -> bool:
        from opentelemetry.sdk.trace.export import SpanExportResult

        made = [_readable(span, self._resource) for span in spans]
        return self._exporter.export(made) is SpanExportResult.SUCCESS

    def close(self) -> None:
        self._exporter.shutdown()


def _readable(span: Span, resource: "Resource") -> "ReadableSpan":
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
    from opentelemetry.trace.status import Status, StatusCode

    kinds = {SERVER: SpanKind.SERVER, INTERNAL: SpanKind.INTERNAL, CLIENT: SpanKind.CLIENT}
    flags = TraceFlags(TraceFlags.SAMPLED)

    def context(own: bytes, *, remote: bool) -> SpanContext:
        return SpanContext(
            int.from_bytes(span.trace, "big"), int.from_bytes(own, "big"), remote, flags
        )

    events = [Event("first byte", timestamp=_nanoseconds(span.first_byte))]
    return ReadableSpan(
        name=span.name,
        context=context(span.id, remote=False),
        parent=context(span.parent, remote=span.kind == SERVER) if span.parent else None,
        resource=resource,
        attributes=span.attributes,
        events=events if span.first_byte else (),
        kind=kinds[span.kind],
        status=Status(StatusCode.ERROR, span.failure) if span.failure else Status(),
        start_time=_nanoseconds(span.start),
        end_time=_nanoseconds(span.end),
        instrumentation_scope=InstrumentationScope("utsuwa", __version__),
    )


def _nanoseconds(time: float) -> int:
    return round(time * 1e9)
