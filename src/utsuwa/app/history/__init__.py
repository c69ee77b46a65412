"""History: what every revision did, an hour at 1 s and a week at 1 min, and what happened when.

Taken from the gateways' figures of each second, the autoscaler's decisions and the node's meters
(`recorder.py`, `fleet.py`), kept in a file of its own by a thread of its own (`file.py`), told over
the API (`told.py`). What was decided and what cold starts cost is kept beside them (`journal.py`). The arithmetic is in :mod:`utsuwa.series`.
"""

from utsuwa.app.history.file import HistoryFile
from utsuwa.app.history.fleet import Fleet
from utsuwa.app.history.journal import Journal
from utsuwa.app.history.recorder import Recorder, Sinks
from utsuwa.app.history.told import Told

__all__ = ["Fleet", "HistoryFile", "Journal", "Recorder", "Sinks", "Told"]
