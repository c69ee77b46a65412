"""`utsuwa demo`: the experiment of 2019 on a cluster of its own.

The plan and what is printed are pure (`plan`, `screen`); `cluster` starts and ends a throw-away
`utsuwa up`, `scale` watches pods, `conduct` goes through the steps.
"""

from utsuwa.app.demo.conduct import run
from utsuwa.app.demo.plan import DemoOptions

__all__ = ["DemoOptions", "run"]
