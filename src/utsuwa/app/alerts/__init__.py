"""Alerts of the running cluster: gathered (`signs`, `machine`), judged by :mod:`utsuwa.alerts`, told
as events, over the API and as a metric (`watch`)."""

from utsuwa.app.alerts.machine import Machine
from utsuwa.app.alerts.signs import Signs
from utsuwa.app.alerts.watch import Watch, build, document

__all__ = ["Machine", "Signs", "Watch", "build", "document"]
