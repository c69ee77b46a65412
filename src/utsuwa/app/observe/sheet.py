"""A recording as CSV: a row for every second, with a header. Pure."""

import csv
import io
from datetime import UTC, datetime

from utsuwa.app.observe.recording import STATUSES, Recording

COLUMNS = (
    *STATUSES, "inFlight", "waiting", "desired", "ready", "total",
    "p50", "p95", "p99", "cpu", "memory",
)  # fmt: skip


def text(recording: Recording) -> str:
    """The file. The last column names what happened in that second."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(("time", "second", *COLUMNS, "events"))
    for second in recording.seconds:
        row = recording.rows.get(second, {})
        when = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        events = " ".join(
            f"{event.kind}:{event.revision}"
            for event in recording.events
            if int(event.time) == second
        )
        figures = [f"{row.get(name, 0):.10g}" for name in COLUMNS]
        writer.writerow((when, second - recording.start, *figures, events))
    return target.getvalue()
