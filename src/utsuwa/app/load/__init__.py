"""The built-in load generator: closed-loop HTTP/1.1 load, reported as `hey` reports it.

Closed loop: each of N connections sends its next request when the answer to the last one is
complete, so N requests are in flight as long as there are any left. Times are taken at the
client's socket; the first request of a connection includes the dialling.
"""

from utsuwa.app.load.generator import Progress, run
from utsuwa.app.load.report import render
from utsuwa.app.load.results import Results
from utsuwa.app.load.target import Load

__all__ = ["Load", "Progress", "Results", "render", "run"]
