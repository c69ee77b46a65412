"""Tracing as `config-observability` wants it: gateways are told, and what they tell is exported."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from utsuwa.app.tracing.export import Load, Sender, load
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.settings.observability import Tracing
from utsuwa.routing.messages import Traces

_log = get_logger(__name__)

OFF = -1.0


class Gateways(Protocol):
    """The link to the gateways."""

    def trace(self, rate: float) -> None:
        """Tell each of them, now and when it connects, which requests to trace."""
        ...

    def traces_to(self, listener: Callable[[Traces], None]) -> None:
        """Hand `listener` what they tell of traced requests."""
        ...


class TracingDesk:
    """Mutable state: `_sender`, while tracing is on, and the settings it was made for (`_config`);
    counts of senders before it, `_exported` and `_dropped`."""

    def __init__(
        self,
        settings: LiveSettings,
        gateways: Gateways,
        *,
        load: Load = load,
        source: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._gateways = gateways
        self._load = load
        self._random = source or random.Random()
        self._tasks: TaskSet | None = None
        self._sender: Sender | None = None
        self._config = Tracing()
        self._exported = self._dropped = 0
        gateways.traces_to(self._told)

    def __repr__(self) -> str:
        return f"<TracingDesk {self._config.protocol} {self._sender!r}>"

    @property
    def exported(self) -> int:
        """Traced requests whose spans have arrived."""
        return self._exported + (self._sender.exported if self._sender else 0)

    @property
    def dropped(self) -> int:
        """Traced requests whose spans nobody will see."""
        return self._dropped + (self._sender.dropped if self._sender else 0)

    def start(self, tasks: TaskSet) -> None:
        """Do what the settings say, from now on."""
        self._tasks = tasks
        self._settings.on_change(self._look)
        self._look()

    async def close(self) -> None:
        """Send what is left."""
        if self._sender is not None:
            await asyncio.to_thread(self._sender.close)

    def _look(self) -> None:
        config = self._settings.current.observability.tracing
        if config == self._config:
            return
        former, self._sender = self._sender, None
        same = replace(self._config, sampling_rate=0.0) == replace(config, sampling_rate=0.0)
        if former is not None and same:
            self._sender = former
        elif former is not None:
            self._retire(former)
        self._config = config
        if config.protocol == "none":
            self._gateways.trace(OFF)
            return
        if self._sender is None:
            self._sender = Sender(config, self._load, self._random)
            self._sender.start()
        self._gateways.trace(config.sampling_rate)
        _log.info("tracing", protocol=config.protocol, rate=config.sampling_rate)

    def _retire(self, sender: Sender) -> None:
        """Let it send what it has; what it has counted by then is kept."""

        async def end() -> None:
            await asyncio.to_thread(sender.close)
            self._exported += sender.exported
            self._dropped += sender.dropped

        if self._tasks is not None:
            self._tasks.start(end(), name="end of traces")

    def _told(self, message: Traces) -> None:
        self._dropped += message.dropped
        if self._sender is None or self._sender.fault:
            self._dropped += len(message.requests)
            return
        self._sender.put(message.requests)


def build(settings: LiveSettings, gateways: Gateways) -> TracingDesk:
    """The desk of a control plane; :meth:`TracingDesk.start` begins."""
    return TracingDesk(settings, gateways)
