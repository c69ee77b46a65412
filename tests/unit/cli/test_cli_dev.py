"""`utsuwa dev`: what it watches, what it writes and removes, what it says."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from utsuwa.app.api import ApiRefusedError, Client
from utsuwa.cli.dev.revisions import DEV, name_of, owner_of, stale
from utsuwa.cli.dev.session import Broken, Event, Printed, Saved, Seen, Session, Wanted
from utsuwa.cli.dev.watching import Counting, changes, kernel, look, polling
from utsuwa.cli.failures import Failure
from utsuwa.kit.clock import SystemClock
from utsuwa.node.images import BuildError
from utsuwa.node.sources import Image

Document = dict[str, Any]
DIGEST = "sha256:" + "a" * 64


# --- pure ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("shop", "shop-dev"),
        ("My Shop_2", "my-shop-2-dev"),
        ("2048", "app-2048-dev"),
        ("", "app-dev"),
        ("x" * 80, "x" * 59 + "-dev"),
    ],
)
def test_a_directory_gives_its_service_a_name(directory: str, name: str) -> None:
    """One that a Service may have."""
    assert name_of(directory) == name


def test_revisions_that_nobody_needs() -> None:
    """Not the one that serves, not the latest, not one that still gets traffic."""
    status = {
        "latestReadyRevisionName": "a-3",
        "latestCreatedRevisionName": "a-5",
        "traffic": [{"revisionName": "a-2"}],
    }
    revisions = [{"metadata": {"name": f"a-{number}"}} for number in range(1, 6)]
    assert stale({"status": status}, revisions) == ["a-1", "a-4"]


# --- files ---------------------------------------------------------------------------------------


def test_what_is_ignored_is_not_looked_at(tmp_path: Path) -> None:
    """Until the ignore file says otherwise."""
    (tmp_path / ".utsuwaignore").write_text("*.log\n")
    (tmp_path / ".git").mkdir()
    for name in ("main.py", "a.log", ".git/HEAD"):
        (tmp_path / name).write_text("")
    counting = Counting(tmp_path)
    assert sorted(look(counting)) == [".utsuwaignore", "main.py"]
    (tmp_path / ".utsuwaignore").write_text("")
    assert counting.counts(".utsuwaignore")
    assert sorted(look(counting)) == [".utsuwaignore", "a.log", "main.py"]


def test_a_dockerfile_has_an_ignore_file_of_its_own(tmp_path: Path) -> None:
    """As the engine has it."""
    (tmp_path / ".dockerignore").write_text("*.md\n")
    counting = Counting(tmp_path, "Dockerfile")
    assert [name for name in ("Dockerfile", "a.md", "a.py") if counting.counts(name)] == [
        "Dockerfile",
        "a.py",
    ]


class Impatient(threading.Event):
    """Never waits; each wait does the next thing, and there is an end."""

    def __init__(self, *doings: Callable[[], object]) -> None:
        super().__init__()
        self._doings = list(doings)

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None and timeout >= 0.1:
            if not self._doings:
                return True
            self._doings.pop(0)()
        return False


def test_looking_finds_what_changed(tmp_path: Path) -> None:
    """Written, new, gone; nothing where nothing happened."""
    (tmp_path / ".utsuwaignore").write_text(".git")
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    stop = Impatient(
        lambda: (tmp_path / "a").write_text("22"),
        lambda: None,
        lambda: [(tmp_path / "c").write_text(""), (tmp_path / "b").rename(tmp_path / ".git")],
    )
    assert list(polling(Counting(tmp_path), stop, SystemClock())) == [["a"], ["b", "c"]]


def test_without_a_watcher_one_looks_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what would help."""

    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("utsuwa.cli.dev.watching.import_module", missing)
    said: list[str] = []
    stop = Impatient(lambda: (tmp_path / "a").write_text("1"))
    assert list(changes(Counting(tmp_path), stop, SystemClock(), said.append)) == [["a"]]
    assert "pip install 'utsuwa[dev]'" in said[0]


def test_the_kernel_tells_what_changed(tmp_path: Path) -> None:
    """And not what is ignored."""
    pytest.importorskip("watchfiles")
    stop = threading.Event()
    found: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def watch() -> None:
        for paths in kernel(Counting(tmp_path), stop):
            found.put(paths)

    thread = threading.Thread(target=watch)
    thread.start()
    seen: set[str] = set()
    number = 0
    while "main.py" not in seen:  # the watch begins at some moment
        number += 1
        (tmp_path / "x.pyc").write_text(f"{number}")
        (tmp_path / "main.py").write_text(f"{number}")
        try:
            seen.update(found.get(timeout=0.5))
        except queue.Empty:
            continue
    stop.set()
    thread.join()
    assert seen == {"main.py"}


# --- the session ---------------------------------------------------------------------------------


class FakeClient:
    """An API server with one Service, and its Revisions by name."""

    def __init__(self, service: Document | None = None) -> None:
        self.service = service
        self.revisions: list[str] = []
        self.deleted: list[str] = []

    def get(self, resource: Any, namespace: str, name: str, *, subresource: str = "") -> Document:
        if self.service is None:
            raise ApiRefusedError(404, "NotFound", "not found")
        return self.service

    def create(self, resource: Any, document: Document) -> Document:
        return self.replace(resource, document)

    def replace(self, resource: Any, document: Document) -> Document:
        before = self.service["metadata"]["generation"] if self.service else 0
        self.service = {**document, "metadata": {**document["metadata"], "generation": before + 1}}
        return self.service

    def patch(self, resource: Any, namespace: str, name: str, patch: Document) -> Document:
        assert self.service is not None
        self.service["metadata"].update(patch["metadata"])
        return self.service

    def list(self, resource: Any, namespace: str, *, labels: Document) -> Document:
        return {"items": [{"metadata": {"name": name}} for name in self.revisions]}

    def delete(self, resource: Any, namespace: str, name: str) -> Document:
        self.deleted.append(name)
        return {}

    def settled(self, ready: str, message: str = "") -> Seen:
        assert self.service is not None
        generation = self.service["metadata"]["generation"]
        condition = {"type": "Ready", "status": ready, "reason": "Because", "message": message}
        status = {
            "observedGeneration": generation,
            "url": "http://app-dev.default.localhost:8080",
            "latestCreatedRevisionName": f"app-dev-{generation}",
            "latestReadyRevisionName": f"app-dev-{generation if ready == 'True' else 1}",
            "conditions": [condition],
        }
        self.revisions.append(f"app-dev-{generation}")
        return Seen({**self.service, "status": status})


class Bench:
    """A session with a directory that builds what it is told."""

    def __init__(self, directory: Path, client: FakeClient) -> None:
        self.client = client
        self.builds: list[Image | Exception] = []
        wanted = Wanted(
            directory=directory,
            namespace="default",
            name="app-dev",
            env=(("A", "1"),),
            port=None,
            build=self._build,
            changes=lambda _: iter(()),
        )
        self.session = Session(cast("Client", client), wanted, SystemClock())

    def _build(self, progress: Callable[[str], None]) -> Image:
        progress("packing 1 files")
        result = self.builds.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def step(self, *events: Event) -> None:
        """Take events that come one right after another, and a pause."""
        coming: Iterator[Event] = iter(events)

        def get(timeout: float) -> Event:
            for event in coming:
                return event
            raise queue.Empty

        self.session._step(get)


def image(number: int) -> Image:
    return Image("dev.local/app-dev:latest", f"sha256:{number:064x}", f"build {number}")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, FakeClient())


def container(client: FakeClient) -> Document:
    assert client.service is not None
    (found,) = client.service["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_a_save_rolls_and_collects(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """The image by digest, the service marked as ours, one pod at least; old revisions go."""
    bench.builds += [image(1), image(2)]
    bench.session._roll()
    service = bench.client.service
    assert service is not None
    assert owner_of(service) == os.getpid()
    assert container(bench.client)["image"] == f"dev.local/app-dev@sha256:{1:064x}"
    assert container(bench.client)["env"] == [{"name": "A", "value": "1"}]
    bench.step(bench.client.settled("True"))
    bench.step(Saved(["b.py", "a.py"]), Saved(["a.py"]))
    assert container(bench.client)["image"].endswith(f"{2:064x}")
    bench.step(bench.client.settled("True"))
    assert bench.client.deleted == ["app-dev-1"]
    told = capsys.readouterr().err
    assert "a.py, b.py: build 2" in told
    assert "app-dev-2 is ready after" in told
    assert told.count("Ctrl-C") == 1


def test_a_burst_of_saves_is_one_roll(bench: Bench) -> None:
    """However many: what is printed meanwhile holds nobody up."""
    bench.builds += [image(1), image(2)]
    bench.session._roll()
    bench.step(*[Saved([f"{number}.py"]) for number in range(50)], Printed("x"), Saved(["z.py"]))
    assert bench.builds == []
    assert bench.client.service is not None
    assert bench.client.service["metadata"]["generation"] == 2


def test_a_save_that_changes_nothing_rolls_nothing(bench: Bench) -> None:
    """The digest says so."""
    bench.builds += [image(1), image(1)]
    bench.session._roll()
    bench.step(Saved(["a.py"]))
    assert bench.client.service is not None
    assert bench.client.service["metadata"]["generation"] == 1


def test_what_cannot_be_built_is_told_and_the_rest_goes_on(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when it is the first thing."""
    bench.builds += [BuildError("main.py: no"), image(1), BuildError("pip failed:\nno such thing")]
    bench.session._roll()
    assert "utsuwa main.py: no\nutsuwa waiting for a change\n" in capsys.readouterr().err
    bench.step(Saved(["a.py"]))
    bench.step(bench.client.settled("True"))
    bench.step(Saved(["a.py"]))
    told = capsys.readouterr().err
    assert "pip failed:\nno such thing" in told
    assert "goes on with what worked last; this was not built" in told


def test_what_does_not_start_is_told_with_the_paths_that_were_saved(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person wants to go there; the failed revision stays until it is replaced."""
    bench.builds += [image(1), image(2)]
    bench.session._roll()
    bench.step(bench.client.settled("True"))
    bench.step(Saved(["a.py"]))
    place = f"/x/images/bundles/{'a' * 64}/source/main.py"
    bench.step(Printed(f'  File "{place}", line 3'))
    bench.step(bench.client.settled("False", f"ExitCode1: {place}"))
    captured = capsys.readouterr()
    assert captured.out == f'  File "{tmp_path}/main.py", line 3\n'
    assert f"app-dev-2 fails: Because: ExitCode1: {tmp_path}/main.py\n" in captured.err
    assert "http://app-dev.default.localhost:8080 goes on" in captured.err
    assert bench.client.deleted == []


def test_what_is_seen_of_an_earlier_save_says_nothing(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the latest is waited for."""
    bench.builds += [image(1), image(2)]
    bench.session._roll()
    old = bench.client.settled("True")
    bench.step(Saved(["a.py"]))
    bench.step(old)
    assert "ready" not in capsys.readouterr().err


def test_a_service_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Deployed, or kept by another `utsuwa dev` that lives; one that died leaves it to us."""
    service: Document = {"metadata": {"name": "app-dev", "generation": 1}}
    client = FakeClient(service)
    session = Bench(tmp_path, client).session
    with pytest.raises(Failure, match="was not made by `utsuwa dev`"):
        session._check_owner()
    service["metadata"]["annotations"] = {DEV: "1"}
    with pytest.raises(Failure, match=r"is kept by `utsuwa dev` \(pid 1\)"):
        session._check_owner()
    service["metadata"]["annotations"] = {DEV: str(2**22 + 1)}
    session._check_owner()
    assert owner_of(service) == os.getpid()


def test_the_service_is_removed_at_the_end_unless_it_is_kept(bench: Bench) -> None:
    """And nothing is removed where nothing was made."""
    bench.session.close(keep=False)
    bench.builds += [image(1)]
    bench.session._roll()
    bench.session.close(keep=True)
    assert bench.client.deleted == []
    bench.session.close(keep=False)
    assert bench.client.deleted == ["app-dev"]


def test_a_thread_that_dies_ends_it(bench: Bench) -> None:
    """With its own words."""
    with pytest.raises(Failure, match="gone"):
        bench.step(Broken(Failure("gone")))
