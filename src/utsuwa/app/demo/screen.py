"""What the demo prints. Pure."""

from dataclasses import dataclass

from utsuwa.app.demo.plan import ARTICLE, CONNECTIONS, SLEEP_MS, DemoOptions, Figures, Outcome

LIVE_HEAD = (
    f"{'time':>6}{'requests/s':>12}{'in flight':>11}{'waiting':>9}{'desired':>9}{'ready':>7}"
)


@dataclass(frozen=True, slots=True)
class Live:
    """One second. `outstanding` requests are sent and not answered; the ready pods may hold
    `ready * concurrency` of them, the others wait."""

    second: int
    answered: int
    outstanding: int
    desired: int
    ready: int
    concurrency: int

    @property
    def in_flight(self) -> int:
        """Requests on pods, which take no more than their concurrency."""
        return min(self.outstanding, self.ready * self.concurrency)

    @property
    def waiting(self) -> int:
        """Requests held by the gateway until a pod has room."""
        return self.outstanding - self.in_flight


def live_line(live: Live) -> str:
    """The columns of LIVE_HEAD."""
    return (
        f"{live.second:>5}s{live.answered:>12,}{live.in_flight:>11}{live.waiting:>9}"
        f"{live.desired:>9}{live.ready:>7}"
    )


def introduction(options: DemoOptions) -> str:
    """What will happen."""
    counts = " and ".join(str(options.pods(c)) for c in ARTICLE)
    length = (
        "All 150,000 requests with the original's stable window of 60 s: about 11 minutes."
        if options.full
        else f"Shortened to {options.requests:,} of 150,000 requests a run, with a stable window "
        f"of {options.stable_window} s\nin place of 60 s and a grace period of {options.grace} s in "
        "place of 30 s: about 2 minutes (--full: all of it)."
    )
    return (
        f"{CONNECTIONS} requests of {SLEEP_MS / 1000:g} s are held in flight against a service at "
        f"zero; then again with half the concurrency.\n{length}\n"
        f"Target percentage {options.percent}: the autoscaler should come to {counts} pods.\n"
    )


def comparison(outcomes: list[Outcome]) -> str:
    """Both runs beside the article's figures."""
    heads, columns = [], []
    for outcome in outcomes:
        heads.append(f"concurrency {outcome.concurrency}")
        columns += [
            ["article", *_cells(ARTICLE[outcome.concurrency])],
            ["this run", *_cells(outcome.figures)],
        ]
    labels = ["", "requests", "requests/s", "slowest", "errors", "pods"]
    top = " " * 12 + "".join(f"{head:>24}" for head in heads)
    body = [
        f"{label:<12}" + "".join(f"{column[row]:>12}" for column in columns)
        for row, label in enumerate(labels)
    ]
    return "\n".join([top, *body])


def _cells(figures: Figures) -> list[str]:
    return [
        f"{figures.requests:,}",
        f"{figures.rate:.1f}",
        f"{figures.slowest:.1f} s",
        f"{figures.errors:,}",
        str(figures.pods),
    ]
