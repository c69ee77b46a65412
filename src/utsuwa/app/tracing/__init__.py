"""Traces, on their way out: from what gateways tell to an OTLP collector.

The gateway knows moments (:mod:`utsuwa.gateway.tracing`), :mod:`utsuwa.routing.tracing` makes spans
of them, and OpenTelemetry's own exporters, an extra, send them in a thread of their own (`export`).
"""

from utsuwa.app.tracing.desk import TracingDesk, build
from utsuwa.app.tracing.export import Sender, load

__all__ = ["Sender", "TracingDesk", "build", "load"]
