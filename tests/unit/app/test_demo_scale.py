"""The demo's eyes: pods and desired scales, and their peaks."""

from pathlib import Path
from typing import Any

import pytest

from utsuwa.app.api import Client, read
from utsuwa.app.demo.cluster import samples
from utsuwa.app.demo.scale import Scale
from utsuwa.kit.clock import SystemClock
from utsuwa.testing.fakeapi import fake_api


def pod(name: str, revision: str = "a-1", *, ready: bool = True, **metadata: Any) -> dict[str, Any]:
    """A pod of a revision."""
    labels = {"serving.knative.dev/revision": revision}
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels, **metadata},
        "status": {"conditions": [condition]},
    }


def autoscaler(name: str, desired: int) -> dict[str, Any]:
    """A PodAutoscaler."""
    return {
        "metadata": {"name": name, "namespace": "default"},
        "status": {"desiredScale": desired},
    }


@pytest.fixture
def scale(tmp_path: Path) -> Scale:
    """Not started: the tests show it events."""
    (tmp_path / "kubeconfig").write_text(
        '{"current-context":"u","contexts":[{"name":"u","context":{"cluster":"c","user":"a"}}],'
        '"clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],'
        '"users":[{"name":"a","user":{}}]}'
    )
    return Scale(Client(read(tmp_path / "kubeconfig")), lambda _seconds: None)


def test_pods_of_other_revisions_do_not_count_as_ready(scale: Scale) -> None:
    """Each revision has its own."""
    scale.see_pod({"type": "ADDED", "object": pod("one")})
    scale.see_pod({"type": "ADDED", "object": pod("two", "a-2")})
    scale.see_pod({"type": "ADDED", "object": pod("three", ready=False)})
    assert scale.ready("a-1") == 1
    assert scale.pods() == 3


def test_a_pod_that_is_about_to_end_is_there_but_not_ready(scale: Scale) -> None:
    """It takes no new request."""
    scale.see_pod({"type": "ADDED", "object": pod("one")})
    ending = pod("one", deletionTimestamp="2026-01-01T00:00:00Z")
    scale.see_pod({"type": "MODIFIED", "object": ending})
    assert (scale.ready("a-1"), scale.pods()) == (0, 1)
    scale.see_pod({"type": "DELETED", "object": ending})
    assert scale.pods() == 0


def test_the_most_at_a_time_is_remembered(scale: Scale) -> None:
    """After all have gone."""
    for name in ("one", "two"):
        scale.see_pod({"type": "ADDED", "object": pod(name)})
    scale.see_autoscaler({"type": "MODIFIED", "object": autoscaler("a-1", 3)})
    for name in ("one", "two"):
        scale.see_pod({"type": "DELETED", "object": pod(name)})
    scale.see_autoscaler({"type": "MODIFIED", "object": autoscaler("a-1", 0)})
    assert scale.peaks("a-1") == (3, 2)
    assert scale.desired("a-1") == 0


def test_a_scale_that_is_not_known_yet_counts_as_none(scale: Scale) -> None:
    """-1 in the status."""
    scale.see_autoscaler({"type": "ADDED", "object": autoscaler("a-1", -1)})
    assert scale.desired("a-1") == 0


@pytest.mark.slow
def test_it_sees_what_was_there_before_and_what_comes(tmp_path: Path) -> None:
    """Through real watches."""
    clock = SystemClock()
    with fake_api(tmp_path) as api:
        api.put("pods", pod("one"))
        scale = Scale(Client(read(tmp_path / "kubeconfig")), clock.pause)
        scale.start()
        api.put("podautoscalers", autoscaler("a-1", 2))
        api.put("pods", pod("two"))
        deadline = clock.monotonic() + 5
        while scale.peaks("a-1") != (2, 2) and clock.monotonic() < deadline:
            clock.pause(0.005)
        scale.stop()
    assert scale.peaks("a-1") == (2, 2)


def test_the_samples_are_found() -> None:
    """In the repository, or in the installed package."""
    assert (samples() / "autoscale" / "main.py").is_file()
