"""Following services over the API: what is asked for, and what is made of the answers."""

from collections.abc import Mapping
from typing import Any

from utsuwa.app.api import Access, Client, Resource
from utsuwa.app.observe.watch import Watch, WatchAll
from utsuwa.series import COLUMNS, Point, shown

NOW = 1_700_000_000


class Cluster(Client):
    """A client of a cluster whose services have answered one request in each second."""

    def __init__(self, *names: tuple[str, str]) -> None:
        super().__init__(Access(server="http://127.0.0.1:1"))
        self.names = list(names)
        self.second = NOW
        self.asked: list[tuple[str, int]] = []

    def fetch(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        since = int((query or {})["since"])
        self.asked.append((path, since))
        parts = path.split("/")
        where, name = parts[parts.index("namespaces") + 1], parts[parts.index("services") + 1]
        items = [
            {"metadata": {"name": own, "namespace": namespace}, **self._told(since)}
            for namespace, own in self.names
            if namespace == where and name in {"-", own}
        ]
        return {"items": items} if name == "-" else items[0]

    def list(
        self, resource: Resource, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        return {"items": [{"metadata": {"namespace": where}} for where, _ in self.names]}

    def _told(self, since: int) -> dict[str, Any]:
        series = [(second, Point(s2=1)) for second in range(since, self.second + 1)]
        return {
            "columns": list(COLUMNS), "series": shown(series), "until": self.second, "marks": [],
        }  # fmt: skip


def test_each_second_is_asked_for_once() -> None:
    """From so far back as is wanted, then what is new."""
    cluster = Cluster(("default", "web"))
    watch = Watch(cluster, "default", "web", before=5)
    assert watch.poll() == range(NOW - 4, NOW + 1)
    cluster.second += 2
    assert watch.poll() == range(NOW + 1, NOW + 3)
    assert watch.poll() == range(NOW + 3, NOW + 3)
    assert [since for _, since in cluster.asked[1:]] == [NOW - 4, NOW + 1, NOW + 3]
    assert watch.recording.requests == [1] * 7


def test_all_services_are_asked_for_together() -> None:
    """One request for a namespace, for no more than is shown; those that go, go."""
    cluster = Cluster(("a", "one"), ("a", "two"), ("b", "three"))
    watch = WatchAll(cluster, "", before=30)
    watch.poll()
    assert set(watch.recordings) == {("a", "one"), ("a", "two"), ("b", "three")}
    assert min(since for _, since in cluster.asked) == NOW - 30
    assert len(watch.recordings["a", "one"].rows) == 30
    cluster.second += 1
    cluster.names = [("a", "two"), ("a", "new")]
    cluster.asked.clear()
    watch.poll()
    assert [since for _, since in cluster.asked] == [NOW + 1]
    assert set(watch.recordings) == {("a", "new"), ("a", "two")}
    assert len(watch.recordings["a", "two"].rows) == 30
