"""Spans on their way out: never waited for, counted when lost, sent as the settings say."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from utsuwa.app.tracing import Sender, TracingDesk, load
from utsuwa.app.tracing.export import INSTALL, ROOM, MissingError
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.settings import Settings
from utsuwa.model.settings.observability import Tracing
from utsuwa.routing.messages import Traced, Traces
from utsuwa.routing.tracing import Span, spans_of

ONE = Traced(
    "default/web-00001", "pod", b"t" * 16, b"", b"s" * 8, b"u" * 8, 10.0, 11.0, 10.1, method="GET"
)
HTTP = Tracing("http/protobuf", "http://127.0.0.1:1/v1/traces", 0.5)


@dataclass
class Kept:
    """An exporter that keeps everything, once it may."""

    spans: list[Span] = field(default_factory=list)
    arrives: bool = True
    may: threading.Event = field(default_factory=threading.Event)
    closed: bool = False
    made: list[Tracing] = field(default_factory=list)

    def load(self, config: Tracing) -> "Kept":
        self.made.append(config)
        return self

    def send(self, spans: Sequence[Span]) -> bool:
        self.may.wait(10)
        self.spans += spans
        return self.arrives

    def close(self) -> None:
        self.closed = True


def sender(kept: Kept) -> Sender:
    made = Sender(HTTP, kept.load, random.Random(1))
    made.start()
    return made


def test_what_is_put_is_sent_before_the_end() -> None:
    kept = Kept()
    kept.may.set()
    made = sender(kept)
    made.put([ONE, ONE])
    made.close()
    assert [span.name for span in kept.spans] == ["GET", "upstream"] * 2
    assert (made.exported, made.dropped, kept.closed) == (2, 0, True)


def test_whoever_puts_never_waits_and_what_finds_no_room_is_counted() -> None:
    kept = Kept()
    made = sender(kept)
    for _ in range(ROOM + 1000):
        made.put([ONE, ONE])
    assert made.dropped >= ROOM
    kept.may.set()
    made.close()
    assert made.exported + made.dropped == 2 * (ROOM + 1000)


def test_what_does_not_arrive_is_counted_too() -> None:
    kept = Kept(arrives=False)
    kept.may.set()
    made = sender(kept)
    made.put([ONE])
    made.close()
    assert (made.exported, made.dropped) == (0, 1)


def test_without_the_extra_the_way_to_it_is_told() -> None:
    def missing(config: Tracing) -> Kept:
        raise MissingError(f"{config.protocol} needs {INSTALL}")

    made = Sender(HTTP, missing, random.Random(1))
    made.start()
    made.close()
    assert "pip install" in made.fault


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc", "stdout"])
def test_every_protocol_has_an_exporter(protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of OpenTelemetry; `stdout` writes a line of JSON for each span."""
    endpoint = "" if protocol == "stdout" else "http://127.0.0.1:1"
    exporter = load(Tracing(protocol, endpoint, 1.0))
    if protocol == "stdout":
        assert exporter.send(spans_of(ONE, lambda: b"x" * 8))
        out = capsys.readouterr().out
        assert len(out.splitlines()) == 2
        assert "74747474747474747474747474747474" in out
    exporter.close()


def test_an_exporter_that_raises_does_not_end_the_thread() -> None:
    class Broken(Kept):
        def send(self, spans: Sequence[Span]) -> bool:
            raise RuntimeError("of a library")

    made = sender(Broken())
    made.put([ONE])
    made.close()
    assert (made.exported, made.dropped) == (0, 1)


# --- the desk -------------------------------------------------------------------------------------


@dataclass
class Gateways:
    rates: list[float] = field(default_factory=list)
    listener: Callable[[Traces], None] = lambda _: None

    def trace(self, rate: float) -> None:
        self.rates.append(rate)

    def traces_to(self, listener: Callable[[Traces], None]) -> None:
        self.listener = listener


class Told(LiveSettings):
    """Settings that a test changes."""

    def tracing(self, **data: str) -> None:
        text = {f"tracing-{name.replace('_', '-')}": value for name, value in data.items()}
        self.current = Settings.parse({"config-observability": text})
        for callback in self._callbacks:
            callback()


@pytest.fixture
async def tasks() -> AsyncIterator[TaskSet]:
    made = TaskSet()
    yield made
    await made.close()


async def test_gateways_do_what_the_settings_say(tasks: TaskSet) -> None:
    """While tracing is off nobody is told anything, and no thread runs."""
    settings, gateways, kept = Told(), Gateways(), Kept()
    kept.may.set()
    desk = TracingDesk(settings, gateways, load=kept.load)
    desk.start(tasks)
    assert (gateways.rates, kept.made) == ([], [])
    url = "http://127.0.0.1:1/v1/traces"
    settings.tracing(protocol="http/protobuf", endpoint=url, sampling_rate="0.1")
    settings.tracing(protocol="http/protobuf", endpoint=url, sampling_rate="0.2")
    assert gateways.rates == [0.1, 0.2]
    gateways.listener(Traces((ONE, ONE), 3))
    settings.tracing()
    assert gateways.rates == [0.1, 0.2, -1.0]
    while desk.exported < 2:
        await asyncio.sleep(0.01)
    assert [config.endpoint for config in kept.made] == [url]
    gateways.listener(Traces((ONE,), 0))  # of the second before
    assert (desk.exported, desk.dropped) == (2, 4)
    await desk.close()


async def test_another_collector_gets_what_comes_from_now_on(tasks: TaskSet) -> None:
    settings, gateways, kept = Told(), Gateways(), Kept()
    kept.may.set()
    desk = TracingDesk(settings, gateways, load=kept.load)
    settings.tracing(protocol="stdout", sampling_rate="1")
    desk.start(tasks)
    settings.tracing(protocol="http/protobuf", endpoint="http://127.0.0.1:2", sampling_rate="1")
    gateways.listener(Traces((ONE,), 0))
    await desk.close()
    assert desk.exported == 1
    assert {config.protocol for config in kept.made} == {"stdout", "http/protobuf"}
