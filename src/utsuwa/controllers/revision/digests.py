"""Image digests, looked up in the background (`spec/reconcilers.md` §4.1).

A registry may take seconds to answer and a pass must not: so a pass asks what is known, and the
Revision is looked at again when an answer has come.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from utsuwa.cluster.port import Key
from utsuwa.cluster.pull_secrets import Logins
from utsuwa.kit.backoff import Backoff
from utsuwa.kit.clock import Clock
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.images import ImageNotFoundError, Terms, parse_reference

_log = get_logger(__name__)

RETRIES = Backoff(first=1.0, most=1000.0)
AT_ONCE = 100
"""How many look-ups run at a time."""
DOCKER_HUB = "index.docker.io"


class ImageResolver(Protocol):
    """Where images come from."""

    async def resolve(self, image: str, terms: Terms = ...) -> str:
        """`repository@sha256:…` of `image`. Raises ImageNotFoundError."""
        ...


async def _no_logins() -> Logins:
    return Logins()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look up for one Revision."""

    uid: str
    images: Mapping[str, str]
    """By container name."""
    timeout: float
    """Seconds that one image may take."""
    skipped: frozenset[str] = frozenset()
    """Registries whose tags are left as they are."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """imagePullPolicy by container name, where one is given."""
    logins: Callable[[], Awaitable[Logins]] = _no_logins
    """The credentials of the Revision's pull secrets, as they are when they are needed."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Every image is known."""

    images: Mapping[str, str]
    """By container name; "" for an image that is used as it is written."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An image could not be resolved; it is tried again in `retry_in` seconds, or right now
    (None: the Revision is looked at again when that has ended)."""

    image: str
    message: str
    retry_in: float | None


@dataclass(slots=True)
class _Job:
    uid: str
    running: bool = True
    resolved: Mapping[str, str] | None = None
    failed: tuple[str, str] | None = None
    failures: int = 0
    retry_at: float = 0.0


class Digests:
    """What is known of the images of each Revision.

    Mutable state: `_jobs`, one for each Revision that has been asked for; changed synchronously.
    """

    def __init__(self, resolver: ImageResolver, clock: Clock, done: Callable[[Key], None]) -> None:
        self._resolver = resolver
        self._clock = clock
        self._done = done
        self._jobs: dict[Key, _Job] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: TaskSet | None = None

    def __repr__(self) -> str:
        running = sum(job.running for job in self._jobs.values())
        return f"<Digests {len(self._jobs)} revisions, {running} being looked up>"

    def start(self, tasks: TaskSet) -> None:
        """Run look-ups among `tasks` from now on."""
        self._tasks = tasks

    def look(self, key: Key, wanted: Wanted) -> Resolved | Failed | None:
        """What is known; None while the first look-up runs. Begins one where it is time to; a
        failure stays known until a later look-up goes well."""
        now = self._clock.monotonic()
        job = self._jobs.get(key)
        if job is None or job.uid != wanted.uid:
            job = self._jobs[key] = _Job(wanted.uid)
            self._begin(key, job, wanted)
        elif job.failed and not job.running and now >= job.retry_at:
            job.running = True
            self._begin(key, job, wanted)
        if job.resolved is not None:
            return Resolved(job.resolved)
        if job.failed is not None:
            return Failed(*job.failed, retry_in=None if job.running else job.retry_at - now)
        return None

    def forget(self, key: Key) -> None:
        """The Revision knows its digests, or is gone."""
        self._jobs.pop(key, None)

    def _begin(self, key: Key, job: _Job, wanted: Wanted) -> None:
        if self._tasks is None:
            raise RuntimeError("expected Digests.start() before the first look-up")
        self._tasks.start(self._run(key, job, wanted), name=f"digests of {key}")

    async def _run(self, key: Key, job: _Job, wanted: Wanted) -> None:
        found: dict[str, str] = {}
        async with self._slots:
            for name, image in wanted.images.items():
                try:
                    found[name] = await self._resolve(name, image, wanted)
                except Exception as error:  # whatever it is, the Revision's condition tells it
                    self._fail(job, image, error, wanted.timeout)
                    break
            else:
                job.resolved, job.failed = found, None
        job.running = False
        self._done(key)

    async def _resolve(self, name: str, image: str, wanted: Wanted) -> str:
        reference = parse_reference(image)
        if reference.digest:
            return image
        if _registry(reference.repository) in wanted.skipped:
            return ""
        logins = await wanted.logins()
        terms = Terms(wanted.policies.get(name, ""), logins.auths)
        try:
            async with asyncio.timeout(wanted.timeout):
                return await self._resolver.resolve(image, terms)
        except ImageNotFoundError as error:
            raise ImageNotFoundError(logins.explain(str(error))) from error

    def _fail(self, job: _Job, image: str, error: Exception, timeout: float) -> None:
        expected = isinstance(error, ImageNotFoundError | ValueError | TimeoutError)
        slow = isinstance(error, TimeoutError) and not str(error)
        message = f"no answer from the registry within {timeout:g} s" if slow else str(error)
        job.failures += 1
        job.failed = (image, message)
        job.retry_at = self._clock.monotonic() + RETRIES.delay(job.failures)
        if expected:
            _log.info("image not resolved", image=image, reason=message)
        else:
            _log.error("image not resolved", error=error, image=image)


def _registry(repository: str) -> str:
    host, slash, _ = repository.partition("/")
    is_host = bool(slash) and ("." in host or ":" in host or host == "localhost")
    return host if is_host else DOCKER_HUB
