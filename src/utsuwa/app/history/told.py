"""The history as the API tells it: columns of numbers, in units for people."""

from utsuwa.app.history.file import KEPT, Asked
from utsuwa.app.history.fleet import Fleet
from utsuwa.app.history.recorder import Recorder
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import SERVICE, Kind
from utsuwa.series import COLUMNS, NOTHING, Point, shown, together

STEPS = tuple(KEPT)


class Told:
    """Answers of the API server about the past of services and revisions."""

    def __init__(self, recorder: Recorder, fleet: Fleet) -> None:
        self._recorder = recorder
        self._fleet = fleet

    def __repr__(self) -> str:
        return f"<Told by {self._recorder!r}>"

    @property
    def steps(self) -> tuple[int, ...]:
        """Distances of points that there are, in seconds."""
        return STEPS

    async def history(
        self, kind: Kind, key: Key, *, step: int, since: int | None, born: int, parts: bool
    ) -> Document:
        """The series of a Service or Revision that was made at `born`, from `since` on (all that
        is kept without it); with `parts` those of a Service's revisions as well.

        What an object of the same name did before it was made is not told.
        """
        until = self._recorder.second
        oldest = max(born - born % step, until - KEPT[step])
        asked = Asked(
            namespace=key.namespace,
            service=key.name if kind is SERVICE else "",
            revision="" if kind is SERVICE else key.name,
            step=step,
            since=oldest if since is None else max(oldest, since),
            until=until,
        )
        known = self._fleet.revisions(key.namespace, key.name) if kind is SERVICE else [key]
        series, marks, away = await self._recorder.read(known, asked)
        answer: Document = {
            "step": step,
            "until": until,
            "columns": list(COLUMNS),
            "series": shown(list(_total(series).items())),
            "away": [list(span) for span in away],
            "marks": [[mark.time, mark.kind, mark.revision, mark.text] for mark in marks],
        }
        if parts:
            answer["revisions"] = {
                name: shown(list(points.items())) for name, points in sorted(series.items())
            }
        return answer


def _total(series: dict[str, dict[int, Point]]) -> dict[int, Point]:
    """Everything at each time; a revision without a point then does nothing."""
    if len(series) == 1:
        return next(iter(series.values()))
    total: dict[int, Point] = {}
    for points in series.values():
        for time, point in points.items():
            total[time] = together(total.get(time, NOTHING), point)
    return dict(sorted(total.items()))
