"""Follows the logs of several pods at once: a thread for each, one queue, one printer."""

import queue
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from utsuwa.app.api import ApiRefusedError, NoServerError
from utsuwa.cli.resources import PODS

if TYPE_CHECKING:
    from utsuwa.app.api import Client

_FOR_EVER = 365 * 86400.0
_END = None

Line = tuple[str, str]
"""Pod and text, without the line's end."""


def lines(client: "Client", namespace: str, pod: str, *, tail: int | None) -> Iterator[str]:
    """What `pod` has printed so far, or the last `tail` lines of it."""
    for line in client.lines(log_path(namespace, pod, tail=tail), timeout=30.0):
        yield _text(line)


def log_path(namespace: str, pod: str, *, tail: int | None, follow: bool = False) -> str:
    """The path of a pod's log."""
    query = {}
    if follow:
        query["follow"] = "true"
    if tail is not None:
        query["tailLines"] = str(tail)
    path = PODS.path(namespace, pod, "log")
    return f"{path}?{urlencode(query)}" if query else path


class Follower:
    """Follows every pod that has `labels`, those that come later included.

    Mutable state: `_seen`, used by the watching thread alone; the queue is what threads share.
    """

    def __init__(
        self, client: "Client", namespace: str, labels: Mapping[str, str], tail: int | None
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._labels = labels
        self._tail = tail
        self._seen: set[str] = set()
        self._queue: queue.SimpleQueue[Line | Exception | None] = queue.SimpleQueue()

    def __repr__(self) -> str:
        return f"<Follower of {len(self._seen)} pods in {self._namespace}>"

    def lines(self) -> Iterator[Line]:
        """Lines as they come, until the server goes. Raises what the watch on pods raises."""
        threading.Thread(target=self._watch, daemon=True).start()
        while (item := self._queue.get()) is not _END:
            if isinstance(item, Exception):
                raise item
            yield item

    def _watch(self) -> None:
        try:
            while True:
                for event in self._client.watch(
                    PODS, self._namespace, labels=self._labels, timeout=3600.0
                ):
                    self._look_at(event["object"])
        except (NoServerError, ApiRefusedError, TimeoutError) as error:
            self._queue.put(error)
        finally:
            self._queue.put(_END)

    def _look_at(self, pod: Mapping[str, Any]) -> None:
        name = pod["metadata"]["name"]
        if name in self._seen or (pod.get("status") or {}).get("phase", "Pending") == "Pending":
            return
        self._seen.add(name)
        threading.Thread(target=self._follow, args=(name,), daemon=True).start()

    def _follow(self, pod: str) -> None:
        path = log_path(self._namespace, pod, tail=self._tail, follow=True)
        try:
            for line in self._client.lines(path, timeout=_FOR_EVER):
                self._queue.put((pod, _text(line)))
        except (NoServerError, ApiRefusedError, TimeoutError):
            return  # the pod has gone, or the server, which the watch will tell


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\n")
