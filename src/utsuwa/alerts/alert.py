"""What an alert is."""

from enum import StrEnum
from typing import NamedTuple

CODES = {
    "QueueGrowing": "requests wait at max-scale, and no fewer than before",
    "CrashLoop": "a container ends again and again",
    "ImagePullFailing": "an image cannot be found or pulled",
    "DiskNearlyFull": "little room is left where the cluster keeps its data",
    "CertificateExpiring": "a certificate is about to expire, and nothing has renewed it",
    "RestartedOften": "one of our own processes ends again and again",
}
"""Every alert, and when it stands. They are reasons of events and values of a metric's label: a
test holds this list and the reference together."""


class Severity(StrEnum):
    """How urgent it is."""

    WARNING = "warning"
    CRITICAL = "critical"


class Subject(NamedTuple):
    """The object that it is told on: a Service, or the Node for what concerns the machine."""

    kind: str
    namespace: str
    name: str


class Alert(NamedTuple):
    """Something that a person should act on.

    The same as another one if `code`, `subject` and `about` are: the rest is as it is now.
    """

    code: str
    subject: Subject
    about: str
    """The part concerned: a revision, a host, a process, a directory."""
    severity: Severity
    message: str
    """What is wrong, in words that stay the same while it is."""
    detail: str
    """The figures of this moment."""
    action: str
    """What to do."""

    @property
    def identity(self) -> tuple[str, Subject, str]:
        """What makes it the same as another."""
        return (self.code, self.subject, self.about)
