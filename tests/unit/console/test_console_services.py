"""The list of services: what a row says."""

from utsuwa.cluster.port import Key
from utsuwa.console.pages import services as pages
from utsuwa.console.pages.state import Tone, state_of
from utsuwa.console.ports import PodsNow
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import SERVICE
from utsuwa.series import Point
from utsuwa.testing.console import Browsing


def a_service(name: str = "hello", namespace: str = "default", **status: object) -> Document:
    document = SERVICE.document(namespace, name, status=status)
    document["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return document


def ready(status: str, reason: str = "") -> list[Document]:
    return [{"type": "Ready", "status": status, "reason": reason, "message": "because"}]


def test_a_state_is_a_word_and_a_reason() -> None:
    told = {
        status: state_of(a_service(conditions=ready(status, "RevisionFailed")))
        for status in ("True", "False", "Unknown")
    }
    assert {status: one.word for status, one in told.items()} == {
        "True": "Ready", "False": "Failed", "Unknown": "Deploying",
    }  # fmt: skip
    assert told["False"].tone is Tone.BAD
    assert told["False"].reason == "RevisionFailed"
    assert state_of(a_service()).word == "Starting"


def test_rates_are_averaged_and_latencies_weighed_by_requests() -> None:
    series = [{1000: Point(s2=30, p95=100, in_flight=2), 995: Point(s5=10, p95=500, waiting=9)}]
    doing = pages.doing(series, [PodsNow(3, 2, 3), PodsNow(1, 1, 1)], 1000)
    assert doing.rate == 4.0
    assert doing.p95 == 20.0  # (30 of 10 ms + 10 of 50 ms) / 40
    assert doing.failing == 0.25
    assert (doing.in_flight, doing.waiting) == (2, 0)
    assert doing.pods == PodsNow(4, 3, 4)


def test_without_requests_there_is_no_latency_and_no_line() -> None:
    doing = pages.doing([{980: Point(s2=0, ready=1)}], [], 1000)
    assert (doing.rate, doing.p95, doing.line) == (0.0, None, "")


def test_the_line_of_a_steady_load_is_level() -> None:
    series = [{time: Point(s2=5) for time in range(900, 1002)}]
    for second in (1000, 1001):
        heights = {point.split(",")[1] for point in pages.line(series, second).split()}
        assert len(heights) == 1


def test_rows_come_in_order_and_their_elements_are_told_apart() -> None:
    found = pages.page([a_service("b.c"), a_service("c", "a"), a_service("a")], {}, now=0.0)
    assert [row.id for row in found.rows] == ["a.c", "default.a", "default.b.c"]
    assert found.several


async def test_a_reader_of_one_namespace_sees_no_other(open_console: Browsing) -> None:
    cluster = open_console.api.cluster
    for namespace in ("default", "knative-serving"):
        await cluster.create(a_service(f"in-{namespace}", namespace))
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "bob", "namespace": "default"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    await cluster.create(binding)
    async with await open_console.session("bob", "people") as browser:
        await _until_seen(open_console, Key("knative-serving", "in-knative-serving"))
        async with browser.get("/services") as answer:
            text = await answer.text()
    assert "in-default" in text
    assert "in-knative-serving" not in text


async def _until_seen(running: Browsing, key: Key) -> None:
    import asyncio

    while running.api.informers.of(SERVICE).get(key) is None:
        await asyncio.sleep(0)
