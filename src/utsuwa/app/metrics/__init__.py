"""Metrics for Prometheus: what there is (`catalogue`), what adds up (`traffic`), what is read when
somebody looks (`collect`), and where (`server`)."""

from utsuwa.app.metrics.catalogue import CATALOGUE
from utsuwa.app.metrics.collect import Collector, Internals, route_of
from utsuwa.app.metrics.pulse import Pulse
from utsuwa.app.metrics.server import MetricsServer
from utsuwa.app.metrics.traffic import Traffic

__all__ = ["CATALOGUE", "Collector", "Internals", "MetricsServer", "Pulse", "Traffic", "route_of"]
