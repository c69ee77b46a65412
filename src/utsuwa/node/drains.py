"""What a node asks of whoever sends requests to its Pods."""

from collections.abc import Callable
from typing import Protocol

from utsuwa.kit.documents import Document
from utsuwa.model.draining import Remaining


class Drains(Protocol):
    """Who sends requests to Pods, and knows whether some are left on one."""

    def launched(self, pod: Document) -> None:
        """A process of `pod` was started. The Pod is as it will be once that is written."""
        ...

    async def drained(self, revision: str, uid: str, told: Callable[[Remaining], None]) -> None:
        """Returns when no request is left on the Pod `uid` of Revision `namespace/name`, or
        when no gateway is connected; `told` of what is left if that takes its time."""
        ...
