"""The rules: from figures to alerts, one function each; None where nothing is to be done."""

from collections.abc import Sequence
from typing import NamedTuple

from utsuwa.alerts.alert import Alert, Severity, Subject
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.units import format_age

DAY = 24 * 3600.0
MIB = 1024 * 1024

QUEUE_WINDOW = 30.0
"""Seconds for which requests must have waited."""
CRASHES = 2
"""Restarts from which on a container that waits for its next one is said to loop."""
DISK_SHARE, DISK_BYTES = 0.10, 5 * 1024 * MIB
"""Little room: less than this share of the disk, and fewer bytes than these."""
DISK_SHARE_CRITICAL, DISK_BYTES_CRITICAL = 0.03, 512 * MIB
CERTIFICATE_DAYS = 14
"""Days before the end of a certificate; ours are renewed at 30."""
CERTIFICATE_DAYS_CRITICAL = 2
RESTARTS = 3
"""Ends of one of our processes within :data:`RESTART_WINDOW` that are too many."""
RESTART_WINDOW = 600.0


class QueueFigures(NamedTuple):
    """One revision, over the last seconds."""

    revision: str
    waiting: Sequence[int]
    """Requests that waited, at equal distances over :data:`QUEUE_WINDOW`, the oldest first."""
    wanted: int
    """Pods that the load asks for; -1 is unknown."""
    replicas: int
    max_scale: int
    """0 is none."""


def queue(subject: Subject, figures: QueueFigures) -> Alert | None:
    """Requests wait, no fewer than before, and more pods are not allowed.

    Worked example: max-scale 2, two pods, waiting 4, 4, 6, 9, 9, 12 over the last 30 s.
    """
    most, waiting = figures.max_scale, figures.waiting
    if not most or figures.replicas < most or len(waiting) < 3 or min(waiting) == 0:
        return None
    third = len(waiting) // 3
    if sum(waiting[-third:]) < sum(waiting[:third]):
        return None
    wanted = f"; the load asks for {figures.wanted} pods" if figures.wanted > most else ""
    return Alert(
        "QueueGrowing", subject, figures.revision, Severity.WARNING,
        f"Requests of revision {figures.revision} wait, and max-scale {most} allows no more pods.",
        f"{waiting[-1]} wait now, {waiting[0]} did {QUEUE_WINDOW:g} s ago{wanted}",
        f"Allow more pods: `utsuwa deploy {subject.name} -n {subject.namespace} "
        f"--max-scale {max(most + 1, figures.wanted)}`; or more requests per pod: --concurrency.",
    )  # fmt: skip


class ContainerFigures(NamedTuple):
    """What a container of a pod waits for."""

    pod: str
    container: str
    reason: str
    message: str
    restarts: int
    exit_code: int | None
    """Of its last life."""


CRASH_LOOP = "CrashLoopBackOff"
PULL_FAILURES = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})


def containers(subject: Subject, revision: str, waiting: Sequence[ContainerFigures]) -> list[Alert]:
    """Of a revision's containers that wait: those that end again and again, and those whose image
    is not to be had."""
    found = []
    looping = [one for one in waiting if one.reason == CRASH_LOOP and one.restarts >= CRASHES]
    if looping:
        worst = max(looping, key=lambda one: one.restarts)
        code = "" if worst.exit_code is None else f", exit code {worst.exit_code}"
        found.append(Alert(
            "CrashLoop", subject, revision, Severity.CRITICAL,
            f"Container {worst.container} of revision {revision} ends again and again.",
            f"{len(looping)} pods; {worst.pod}: {worst.restarts} restarts{code}"
            + (f"; {worst.message}" if worst.message else ""),
            f"See why: `utsuwa logs {subject.name} -n {subject.namespace} --revision {revision}`; "
            f"take it back: `utsuwa traffic {subject.name} -n {subject.namespace} rollback`.",
        ))  # fmt: skip
    pulling = [one for one in waiting if one.reason in PULL_FAILURES]
    if pulling:
        first = pulling[0]
        found.append(unresolved(subject, revision, f"{first.reason}: {first.message}"))
    return found


def unresolved(subject: Subject, revision: str, why: str) -> Alert:
    """The image of `revision` is not to be had, because of `why`."""
    return Alert(
        "ImagePullFailing", subject, revision, Severity.CRITICAL,
        f"The image of revision {revision} cannot be pulled.",
        why,
        "Check the image's name and tag and the pull secret; build it with `utsuwa build`, or "
        f"deploy one that is there: `utsuwa deploy {subject.name} -n {subject.namespace} --image REF`.",
    )  # fmt: skip


class DiskFigures(NamedTuple):
    """The disk that holds a directory; bytes."""

    path: str
    total: int
    free: int


def disk(subject: Subject, figures: DiskFigures) -> Alert | None:
    """Little room is left: by share and by bytes, so that a large disk does not cry at 9 %."""
    share = figures.free / max(1, figures.total)
    if share >= DISK_SHARE or figures.free >= DISK_BYTES:
        return None
    critical = share < DISK_SHARE_CRITICAL or figures.free < DISK_BYTES_CRITICAL
    return Alert(
        "DiskNearlyFull", subject, figures.path,
        Severity.CRITICAL if critical else Severity.WARNING,
        f"The disk that holds {figures.path} is nearly full: without room nothing can be deployed.",
        f"{figures.free // MIB} MiB of {figures.total // MIB} MiB are free ({share:.0%})",
        "Make room: old images below images/, logs below logs/ in that directory, history.db (which "
        "may be deleted at any time); or move the directory to another disk while `utsuwa up` is ended.",
    )  # fmt: skip


class CertificateFigures(NamedTuple):
    """A certificate in use."""

    name: str
    """The host, or what it is for."""
    where: str
    """The Secret or file that holds it."""
    ends: float
    """Unix seconds."""
    action: str


def certificate(subject: Subject, figures: CertificateFigures, now: float) -> Alert | None:
    """It ends soon, or has ended, and whoever should renew it has not."""
    left = figures.ends - now
    if left >= CERTIFICATE_DAYS * DAY:
        return None
    when = f"in {format_age(left)}" if left > 0 else f"{format_age(-left)} ago"
    return Alert(
        "CertificateExpiring", subject, figures.name,
        Severity.CRITICAL if left < CERTIFICATE_DAYS_CRITICAL * DAY else Severity.WARNING,
        f"The certificate for {figures.name} in {figures.where} "
        f"{'expires' if left > 0 else 'expired'} at {rfc3339(figures.ends)}.",
        when,
        figures.action,
    )  # fmt: skip


class ProcessFigures(NamedTuple):
    """One of our own processes: when it ended unasked, in Unix seconds, and where its log is."""

    name: str
    ends: Sequence[float]
    log: str


def process(subject: Subject, figures: ProcessFigures, now: float) -> Alert | None:
    """It ends again and again."""
    recent = [end for end in figures.ends if now - RESTART_WINDOW <= end <= now]
    if len(recent) < RESTARTS:
        return None
    lost = {
        "gateway": "each time the requests in flight in it are lost",
        "control": "meanwhile nothing is deployed or scaled; requests go on",
    }.get(figures.name.partition("-")[0], "it is started again each time")
    return Alert(
        "RestartedOften", subject, figures.name, Severity.CRITICAL,
        f"The process {figures.name} ends again and again: {lost}.",
        f"{len(recent)} times in the last {RESTART_WINDOW / 60:g} min",
        f"Its last words are in {figures.log}; if it is out of memory, give it more. Otherwise it is "
        "a bug of ours: please report it with that log.",
    )  # fmt: skip
