"""Alerts as banners: what is wrong, since when, what to do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from utsuwa.alerts import Alert, Severity, Standing
from utsuwa.console.pages.reference import Text, pieces
from utsuwa.model.kinds import DOMAIN_MAPPING, NODE, REVISION, SERVICE

MOST = 5
"""Banners on a page; the others are counted."""
KINDS = {one.name: one for one in (SERVICE, REVISION, DOMAIN_MAPPING, NODE)}
"""What alerts are told on."""
_WORDS = {
    "QueueGrowing": "Queue growing",
    "CrashLoop": "Crash loop",
    "ImagePullFailing": "No image",
    "DiskNearlyFull": "Disk nearly full",
    "CertificateExpiring": "Certificate expires",
    "RestartedOften": "Restarted often",
}


@dataclass(frozen=True, slots=True)
class Banner:
    """One alert. `tone` is the colour, and `word` says the same; `path` is the page of the service
    that it is about."""

    id: str
    tone: str
    word: str
    title: str
    subject: str
    path: str
    message: str
    since: float
    action: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Banners:
    """Those of a page, the most urgent first; `more`: how many there is no room for. `details` are
    the figures of this moment by banner; they change while all else stays the same."""

    shown: tuple[Banner, ...] = ()
    more: int = 0
    details: Mapping[str, str] = field(default_factory=dict, compare=False)


NO_BANNERS = Banners()


def banners(standing: Sequence[Standing]) -> Banners:
    """The banners of what stands."""
    kept = standing[:MOST]
    return Banners(
        tuple(_banner(one) for one in kept),
        len(standing) - len(kept),
        {_id(one.alert): one.alert.detail for one in kept},
    )


def _banner(standing: Standing) -> Banner:
    alert, subject = standing.alert, standing.alert.subject
    critical = alert.severity is Severity.CRITICAL
    return Banner(
        id=_id(alert),
        tone="bad" if critical else "warning",
        word="Critical" if critical else "Warning",
        title=_WORDS.get(alert.code, alert.code),
        subject=f"{subject.namespace}/{subject.name}" if subject.namespace else subject.name,
        path=f"/services/{subject.namespace}/{subject.name}"
        if subject.kind == SERVICE.name
        else "",
        message=alert.message,
        since=standing.since,
        action=pieces(alert.action),
    )


def _id(alert: Alert) -> str:
    """Tells its element apart; an id has no space, and a path may have one."""
    parts = (alert.code, alert.subject.namespace, alert.subject.name, alert.about)
    return "-".join("_".join(part.split()) for part in parts)
