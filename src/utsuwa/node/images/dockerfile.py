"""Which line of a Dockerfile a step of a build is. Pure.

Engines tell steps by their words, not by their place: `STEP 2/3: RUN make` (Podman) or
`Step 2/3 : RUN make` (Docker).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

NAMES = ("Dockerfile", "Containerfile")
"""In the order in which they are looked for."""

_STEP = re.compile(r"^(?:\[\d+/\d+\] )?STEP \d+/\d+ ?: (?P<words>.*)", re.IGNORECASE)
_ESCAPE = re.compile(r"^#\s*escape\s*=\s*(?P<mark>[\\`])\s*$", re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?([\"']?)(?P<word>\w+)\1")
_WITH_HEREDOC = frozenset({"RUN", "COPY", "ADD"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, at `line` (from 1)."""

    line: int
    words: str

    @property
    def keyword(self) -> str:
        """Its first word."""
        return self.words.partition(" ")[0]


def instructions(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile: comments are left out, continued lines put together."""
    return list(_instructions(text.splitlines()))


def _instructions(lines: list[str]) -> Iterator[Instruction]:
    mark, first, words = "\\", 0, ""
    waiting: list[str] = []
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if waiting:
            if line == waiting[0]:
                waiting.pop(0)
            continue
        if found := _ESCAPE.match(line):
            mark = found["mark"]
        if not line or line.startswith("#"):
            continue
        first = first or number
        words += f" {line.removesuffix(mark)}"
        if line.endswith(mark):
            continue
        one = Instruction(first, _plain(words))
        yield one
        if one.keyword in _WITH_HEREDOC:
            waiting = [found["word"] for found in _HEREDOC.finditer(one.words)]
        first, words = 0, ""
    if words:
        yield Instruction(first, _plain(words))


def _plain(words: str) -> str:
    keyword, _, rest = " ".join(words.split()).partition(" ")
    return f"{keyword.upper()} {rest}".strip()


@dataclass(slots=True)
class Steps:
    """Follows a build by its output. Mutable state: where it is."""

    known: list[Instruction]
    current: Instruction | None = None
    _next: int = field(default=0, repr=False)

    def follow(self, line: str) -> bool:
        """Whether `line` begins a step; which one, is `current` then."""
        found = _STEP.match(line.strip())
        if found is None:
            return False
        words = _plain(found["words"])
        keyword = words.partition(" ")[0]
        places = [place for place, one in enumerate(self.known) if one.words == words]
        places = places or [place for place, one in enumerate(self.known) if one.keyword == keyword]
        if places:
            # The next that fits; an engine may leave stages out, and begin with a later one.
            place = next((one for one in places if one >= self._next), places[0])
            self._next = place + 1
            self.current = self.known[place]
            return True
        self.current = None  # such as a step that the engine adds itself
        return True
