"""The watch: every five seconds, what is wrong; what is new of it becomes an event."""

from collections.abc import Sequence

from utsuwa.alerts import Alert, Announcement, Book, Standing, Subject
from utsuwa.app.alerts.machine import Machine
from utsuwa.app.alerts.signs import SAMPLE, Signs
from utsuwa.app.metrics import Traffic
from utsuwa.app.options import Layout
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context
from utsuwa.controllers.podautoscaler import Scaler
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import DOMAIN_MAPPING, NODE, REVISION, SERVICE, Kind

_TOLD_ON: dict[str, Kind] = {kind.name: kind for kind in (SERVICE, REVISION, DOMAIN_MAPPING, NODE)}
_OVER = "AlertOver"


class Watch:
    """Knows what stands. Mutable state: `_book`."""

    def __init__(
        self,
        signs: Signs,
        machine: Machine,
        informers: Informers,
        events: EventRecorder,
        clock: Clock,
    ) -> None:
        self._signs = signs
        self._machine = machine
        self._informers = informers
        self._events = events
        self._clock = clock
        self._book = Book()

    def __repr__(self) -> str:
        return f"<Watch {self._book!r}>"

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self._clock.sleep(SAMPLE)
            await self.look()

    async def look(self) -> None:
        """What is wrong now? Tell of it."""
        self._signs.sample()
        await self._machine.sample()
        found = [*self._signs.alerts(), *self._machine.alerts()]
        for announcement, alert in self._book.update(self._clock.now(), found):
            await self._tell(announcement, alert)

    def standing(self) -> list[Standing]:
        """All that stands: the most urgent first, then the oldest."""
        return self._book.standing()

    def of(self, kind: Kind, key: Key) -> list[Standing]:
        """What stands on an object; of a Revision what concerns it, on whatever it is told."""
        if kind is not REVISION:
            return self._book.standing(Subject(kind.name, key.namespace, key.name))
        return [
            one
            for one in self._book.standing()
            if (one.alert.subject.namespace, one.alert.about) == (key.namespace, key.name)
        ]

    def alerts(self, kind: Kind, key: Key) -> Sequence[Document]:
        """The same as documents."""
        return [document(one) for one in self.of(kind, key)]

    async def _tell(self, announcement: Announcement, alert: Alert) -> None:
        subject = alert.subject
        kind = _TOLD_ON.get(subject.kind)
        stored = kind and self._informers.of(kind).get(Key(subject.namespace, subject.name))
        if not stored:  # it went meanwhile, and its events with it
            return
        if announcement is Announcement.OVER:
            await self._events.normal(stored, _OVER, f"Over: {alert.message}")
        else:
            await self._events.warning(stored, alert.code, f"{alert.message} {alert.action}")


def document(standing: Standing) -> Document:
    """An alert as the API tells it."""
    alert, subject = standing.alert, standing.alert.subject
    return {
        "code": alert.code,
        "severity": alert.severity.value,
        "since": rfc3339(standing.since),
        "subject": {"kind": subject.kind, "namespace": subject.namespace, "name": subject.name},
        "about": alert.about,
        "message": alert.message,
        "detail": alert.detail,
        "action": alert.action,
    }


def build(
    context: Context, *, traffic: Traffic, scaler: Scaler, layout: Layout, node_name: str
) -> Watch:
    """The watch over a cluster; :meth:`Watch.run` is to be started."""
    context.informers.of(NODE)
    signs = Signs(context.informers, traffic, scaler, context.clock)
    machine = Machine(layout, context.clock, node_name=node_name)
    return Watch(signs, machine, context.informers, context.events, context.clock)
