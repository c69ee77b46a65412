"""A revision as one of several gateways serves it."""

from collections.abc import Iterable

from utsuwa.gateway.core import Core
from utsuwa.gateway.pod import Pod
from utsuwa.gateway.revision import Prove, Revision
from utsuwa.gateway.slots.client import SlotClient
from utsuwa.gateway.slots.leasing import Leases, Leasing
from utsuwa.routing.messages import Elsewhere


class LeasedRevision(Leasing[Pod], Revision):
    """A revision whose slots are shared with other gateways.

    Mutable state: that of :class:`Leasing` and of :class:`Revision`.
    """

    __slots__ = ("_client", "held", "leases")

    def __init__(self, core: Core, name: str, prove: Prove, client: SlotClient) -> None:
        super().__init__(core, name, prove)
        self.leases = Leases(client, core.monotonic, core.loop.call_soon)
        self.held: dict[Pod, int] = {}
        self._client = client
        client.adopt(name, self)

    @property
    def known_as(self) -> str:
        """`namespace/name`."""
        return self.name

    def backends(self) -> Iterable[tuple[str, Pod]]:
        """Its pods."""
        return self.pods.items()

    def uid_of(self, backend: Pod) -> str:
        """The pod's."""
        return backend.uid

    def find(self, uid: str) -> Pod | None:
        """One of its pods."""
        return self.pods.get(uid)

    def spare(self, pod: Pod) -> None:
        """Close the connections that no slot is held for, longest idle first."""
        if self.limit:
            room = max(0, self.held.get(pod, 0) - pod.own + len(pod.wanting))
            for connection in list(pod.idle)[: max(0, len(pod.idle) - room)]:
                connection.close()

    def remove(self) -> None:
        """Control knows the revision no more."""
        super().remove()
        self._client.dismiss(self.name)

    def _held(self, pod: Pod, elsewhere: Elsewhere) -> int:
        return self.taken(pod)  # the broker knows better than control
