"""Alerts: what a person should act on, and how.

Pure: figures in, alerts out; time is an argument. :mod:`rules` decides what is wrong, one function
a rule; :class:`Book` remembers since when, lets nothing flap, and says when to tell of it again.
"""

from utsuwa.alerts.alert import CODES, Alert, Severity, Subject
from utsuwa.alerts.book import Announcement, Book, Standing
from utsuwa.alerts.rules import (
    CertificateFigures,
    ContainerFigures,
    DiskFigures,
    ProcessFigures,
    QueueFigures,
    certificate,
    containers,
    disk,
    process,
    queue,
    unresolved,
)

__all__ = [
    "CODES",
    "Alert",
    "Announcement",
    "Book",
    "CertificateFigures",
    "ContainerFigures",
    "DiskFigures",
    "ProcessFigures",
    "QueueFigures",
    "Severity",
    "Standing",
    "Subject",
    "certificate",
    "containers",
    "disk",
    "process",
    "queue",
    "unresolved",
]
