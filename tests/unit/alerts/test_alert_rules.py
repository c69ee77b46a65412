"""Each rule: when it speaks, when it is silent, and that it says what to do."""

from pathlib import Path

import pytest

from utsuwa.alerts import (
    CODES,
    Alert,
    CertificateFigures,
    ContainerFigures,
    DiskFigures,
    ProcessFigures,
    QueueFigures,
    Subject,
    certificate,
    containers,
    disk,
    process,
    queue,
    unresolved,
)
from utsuwa.alerts.rules import DAY, MIB

WEB = Subject("Service", "default", "web")
NODE = Subject("Node", "", "here")
NOW = 1_700_000_000.0
GIB = 1024 * MIB
DOCS = Path(__file__).parents[3] / "docs"


def queued(*waiting: int, replicas: int = 2, most: int = 2, wanted: int = 5) -> Alert | None:
    return queue(WEB, QueueFigures("web-00001", waiting, wanted, replicas, most))


@pytest.mark.parametrize("waiting", [(4, 4, 6, 9, 9, 12), (5, 5, 5, 5, 5, 5)])
def test_a_queue_at_max_scale_that_does_not_shrink(waiting: tuple[int, ...]) -> None:
    alert = queued(*waiting)
    assert alert is not None
    assert (alert.code, alert.about) == ("QueueGrowing", "web-00001")
    assert f"{waiting[-1]} wait now" in alert.detail
    assert "the load asks for 5 pods" in alert.detail
    assert "utsuwa deploy web -n default --max-scale 5" in alert.action


@pytest.mark.parametrize(
    ("waiting", "replicas", "most"),
    [
        ((4, 4, 0, 9, 9, 12), 2, 2),  # it was empty for a moment
        ((12, 9, 9, 6, 4, 4), 2, 2),  # it shrinks
        ((4, 4, 6, 9, 9, 12), 1, 2),  # another pod may come
        ((4, 4, 6, 9, 9, 12), 20, 0),  # as many may come as are needed
        ((4, 9), 2, 2),  # too early to tell
    ],
)
def test_other_queues_are_not_for_people(
    waiting: tuple[int, ...], replicas: int, most: int
) -> None:
    assert queued(*waiting, replicas=replicas, most=most) is None


def test_the_advice_never_lowers_max_scale() -> None:
    """The load may ask for no more than there is, and still wait: behind hard limits."""
    alert = queued(3, 3, 3, wanted=-1)
    assert alert is not None
    assert "--max-scale 3" in alert.action
    assert "asks" not in alert.detail


def failing(reason: str, restarts: int = 0) -> ContainerFigures:
    return ContainerFigures("web-1-abc", "user-container", reason, "its last words", restarts, 3)


def test_a_container_that_ends_again_and_again() -> None:
    """One alert for a revision, with the worst of its pods."""
    waiting = [failing("CrashLoopBackOff", 2), failing("CrashLoopBackOff", 7)]
    (alert,) = containers(WEB, "web-00001", waiting)
    assert (alert.code, alert.severity) == ("CrashLoop", "critical")
    assert "2 pods; web-1-abc: 7 restarts, exit code 3; its last words" in alert.detail
    assert "utsuwa logs web -n default --revision web-00001" in alert.action
    assert containers(WEB, "web-00001", [failing("CrashLoopBackOff", 1)]) == []


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
def test_an_image_that_cannot_be_pulled(reason: str) -> None:
    (alert,) = containers(WEB, "web-00001", [failing(reason)])
    assert (alert.code, alert.detail) == ("ImagePullFailing", f"{reason}: its last words")
    assert alert == unresolved(WEB, "web-00001", f"{reason}: its last words")
    assert containers(WEB, "web-00001", [failing("ContainerCreating")]) == []


@pytest.mark.parametrize(
    ("free", "total", "severity"),
    [
        (20 * GIB, 100 * GIB, ""),
        (9 * GIB, 100 * GIB, ""),  # 9 %, but room enough
        (4 * GIB, 100 * GIB, "warning"),
        (4 * GIB, 20 * GIB, ""),  # a small disk, and a fifth of it is free
        (2 * GIB, 100 * GIB, "critical"),
        (GIB // 4, 5 * GIB, "critical"),
    ],
)
def test_a_disk_that_is_nearly_full(free: int, total: int, severity: str) -> None:
    alert = disk(NODE, DiskFigures("/data", total, free))
    assert ("" if alert is None else alert.severity) == severity
    if alert is not None:
        assert f"{free // MIB} MiB of {total // MIB} MiB are free" in alert.detail


@pytest.mark.parametrize(
    ("days", "severity", "words"),
    [
        (30, "", ""),
        (13, "warning", "expires at"),
        (1, "critical", "expires at"),
        (-1, "critical", "expired at"),
    ],
)
def test_a_certificate_that_nobody_renewed(days: float, severity: str, words: str) -> None:
    figures = CertificateFigures("shop.test", "Secret default/shop", NOW + days * DAY, "Do it.")
    alert = certificate(WEB, figures, NOW)
    assert ("" if alert is None else alert.severity) == severity
    if alert is not None:
        assert words in alert.message
        assert (alert.about, alert.action) == ("shop.test", "Do it.")


def test_a_process_of_ours_that_ends_again_and_again() -> None:
    """Three times in ten minutes; what was long ago does not count."""
    often = ProcessFigures("gateway-1", (NOW - 500, NOW - 100, NOW - 1), "/data/logs/gateway-1.log")
    alert = process(NODE, often, NOW)
    assert alert is not None
    assert "requests in flight in it are lost" in alert.message
    assert "3 times in the last 10 min" in alert.detail
    assert "/data/logs/gateway-1.log" in alert.action
    assert process(NODE, often, NOW + 200) is None
    assert process(NODE, often._replace(ends=(NOW,)), NOW) is None


def test_the_reference_has_every_alert() -> None:
    """With its meaning as in the code."""
    text = (DOCS / "reference" / "alerts.md").read_text()
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning}" in text
