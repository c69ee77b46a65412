"""What is kept of logs, and for how long."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from utsuwa.kit.documents import Document
from utsuwa.logs.file import on_disk
from utsuwa.logs.keeping import LIVES, sweep
from utsuwa.logs.places import describe, directory_of, namespaces, place, pods, request_log
from utsuwa.model.settings.log_bounds import LogBounds

KIB = 1024
NOW = 1_000_000.0
BOUNDS = LogBounds(
    container_size=64 * KIB,
    container_files=2,
    service_bytes=512 * KIB,
    gone_bytes=1024 * KIB,
    gone_age=3600.0,
)


def pod_of(name: str, service: str = "hello") -> Document:
    labels = {
        "serving.knative.dev/service": service,
        "serving.knative.dev/configuration": service,
        "serving.knative.dev/revision": f"{service}-00001",
    }
    return {
        "metadata": {"namespace": "default", "name": name, "uid": f"u-{name}", "labels": labels}
    }


def wrote(
    root: Path, name: str, size: int, age: float, service: str = "hello", life: int = 0
) -> Path:
    pod = pod_of(name, service)
    describe(root, pod)
    path = directory_of(root, pod) / "user-container" / f"{life}.log"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * (size // 100))
    for one in (path, path.parent.parent, path.parent.parent / "about.json"):
        os.utime(one, (NOW - age, NOW - age))
    return path


def left(root: Path) -> set[str]:
    return {found.pod for space in namespaces(root) for found in pods(space)}


def test_pods_that_are_gone_are_kept_for_a_while(tmp_path: Path) -> None:
    """As long as their age allows; a living one stays, however long it has been silent."""
    wrote(tmp_path, "young", 100, 3000)
    wrote(tmp_path, "old", 100, 4000)
    wrote(tmp_path, "silent", 100, 9000)
    assert sweep(tmp_path, {"u-silent"}, BOUNDS, NOW).removed == 1
    assert left(tmp_path) == {"young", "silent"}


def test_a_service_loses_its_oldest_gone_pods_first(tmp_path: Path) -> None:
    """Once it has more than its share; others are not touched for it."""
    for age in (1, 2, 3):
        wrote(tmp_path, f"pod{age}", 240 * KIB, age)
    wrote(tmp_path, "other", 240 * KIB, 9, "other")
    sweep(tmp_path, set(), BOUNDS, NOW)

    assert "pod3" not in left(tmp_path)
    assert "other" in left(tmp_path)


def test_all_gone_pods_together_have_a_bound(tmp_path: Path) -> None:
    """Of whatever service."""
    for number in range(6):
        wrote(tmp_path, f"pod{number}", 240 * KIB, 10 - number, f"s{number}")
    sweep(tmp_path, set(), BOUNDS, NOW)
    assert left(tmp_path) == {f"pod{number}" for number in range(2, 6)}


def test_living_pods_share_what_their_service_may_keep(tmp_path: Path) -> None:
    """Each keeps its latest lines."""
    logs = [wrote(tmp_path, f"pod{n}", 300 * KIB, 5) for n in range(4)]
    done = sweep(tmp_path, {f"u-pod{n}" for n in range(4)}, BOUNDS, NOW)
    assert done.trimmed == 4
    assert sum(map(on_disk, logs)) <= BOUNDS.service_bytes
    assert min(map(on_disk, logs)) > 64 * KIB


def test_a_crash_loop_keeps_its_latest_lives(tmp_path: Path) -> None:
    """And loses the others."""
    for life in range(LIVES + 3):
        wrote(tmp_path, "looping", 100, 5, life=life)
    sweep(tmp_path, {"u-looping"}, BOUNDS, NOW)
    (found,) = pods(tmp_path / "default")
    assert [life.restart for life in found.lives()] == list(range(3, LIVES + 3))


def test_request_logs_and_our_own_logs_are_bounded_too(tmp_path: Path) -> None:
    """Those of a service that nobody calls any more end with their age."""
    busy, idle = (request_log(tmp_path, "default", name) for name in ("busy", "idle"))
    busy.parent.mkdir(parents=True)
    own = tmp_path / "gateway.log"
    for path in (busy, own):
        path.write_bytes(b"x\n" * 200 * KIB)
        os.utime(path, (NOW, NOW))
    idle.write_text("x\n")
    os.utime(idle, (NOW - 4000, NOW - 4000))
    assert sweep(tmp_path, set(), BOUNDS, NOW).trimmed == 2
    assert (on_disk(busy), on_disk(own)) <= (72 * KIB, 72 * KIB)
    assert not idle.exists()


def test_whose_logs_they_are_is_written_beside_them(tmp_path: Path) -> None:
    """And guessed by the pod's name where it was not."""
    describe(tmp_path, pod_of("p"))
    known = place(tmp_path / "default" / "p_u-p")
    assert (known.service, known.revision, known.uid) == ("hello", "hello-00001", "u-p")
    guessed = place(tmp_path / "default" / "hello-00002-deployment-7f-x2_u-2")
    assert (guessed.service, guessed.revision) == ("", "hello-00002")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("logging.container-max-size", "1Ki"),
        ("logging.container-max-files", "1"),
        ("logging.gone-pods-max-age", "0s"),
        ("logging.service-max-bytes", "many"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(key: str, value: str) -> None:
    """With the key and what was expected."""
    from utsuwa.model.settings.observability import Observability

    assert Observability.parse({}).logs == LogBounds()
    with pytest.raises(ValueError, match=key):
        Observability.parse({key: value})
    assert replace(BOUNDS, container_size=1).least == 1
