"""The second in which an idle revision was woken, and why its average misleads.

Load that sets in at the end of a second fills a part of it only, and while clients still connect
the average of that part is lower than what is there a moment later. A window divides by the
seconds that exist, so for as long as the panic window lasts that one low second holds the
decision down: 500 clients that connect within 300 ms make 4 pods first, then 5, 6 and, six
seconds later, the 7 they need. The original has the same dent (`spec/autoscaling.md` §3.7, "if
the first tick catches a partial second").

So the second of the waking counts what is inside at its end if that is more than its average, and
is lifted to the average of the first whole second after it. Nothing is counted that was not
there.
"""


class Onset:
    """One waking. Values are concurrencies; those of several gateways add up.

    Mutable state: what has been recorded for the second of the waking (`_first`, the waking's own
    1 included) and what the second after it has shown (`_following`).
    """

    __slots__ = ("_first", "_following", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self._first = 1.0
        self._following = 0.0

    def __repr__(self) -> str:
        return f"<Onset at {self.second}: {self._first}, then {self._following}>"

    def again(self) -> None:
        """Another gateway was woken in the same second; that waking is recorded as well."""
        self._first += 1.0

    def within(self, average: float, inside: int) -> float:
        """What to record for the second of the waking, instead of `average`, when `inside`
        requests are in flight or waiting at its end. The waking itself is already recorded."""
        value = max(average, inside - 1.0)
        self._first += value
        return value

    def after(self, average: float) -> float:
        """What to add to the second of the waking, now that the one after it had `average`."""
        self._following += average
        lift = max(0.0, self._following - self._first)
        self._first += lift
        return lift
