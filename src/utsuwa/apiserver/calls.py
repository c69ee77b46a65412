"""One request, understood: who asks what of which object, in which form."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from utsuwa.apiserver.negotiation import PLAIN, Wanted
from utsuwa.apiserver.paths import Target
from utsuwa.apiserver.ports import User
from utsuwa.apiserver.selectors import Match, both, field_selector, is_name_only, label_selector
from utsuwa.apiserver.status import bad_request
from utsuwa.apiserver.tables import Shape
from utsuwa.kit.documents import Document

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request for objects. Query parameters that are not known here are ignored."""

    user: User
    target: Target
    query: Mapping[str, str]
    wanted: Wanted = PLAIN
    body: bytes = b""
    content_type: str = ""
    agent: str = ""

    @property
    def shape(self) -> Shape:
        """How the answer is to look."""
        include = self.query.get("includeObject", "Metadata")
        return Shape(self.target.kind, self.wanted, include)

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be stored. Raises BadRequestError on an unknown mode."""
        asked = self.query.get("dryRun", "")
        if asked and asked.lower() != "all":  # gcloud writes `all`
            raise bad_request(
                f'Invalid value: {asked!r}: dryRun: Unsupported value: supported "All"'
            )
        return bool(asked)

    @property
    def manager(self) -> str:
        """The field manager: as told, else the first word of the client's name."""
        told = self.query.get("fieldManager")
        return told or self.agent.partition("/")[0] or "unknown"

    def flag(self, name: str) -> bool:
        """A boolean query parameter, as Go reads one."""
        return self.query.get(name, "") in _TRUE

    def number(self, name: str) -> int | None:
        """A whole number of 0 or more, None when absent. Raises BadRequestError."""
        text = self.query.get(name, "")
        if not text:
            return None
        if not text.isascii() or not text.isdigit():
            raise bad_request(f"query parameter {name}: expected a whole number, found {text!r}")
        return int(text)

    def selection(self) -> Match | None:
        """What the label and field selectors select; None for everything."""
        labels = label_selector(self.query.get("labelSelector", ""))
        return both(labels, field_selector(self.query.get("fieldSelector", ""), self.target.kind))

    @property
    def selects_by_state(self) -> bool:
        """Whether an object can enter or leave the selection while it lives."""
        labels = self.query.get("labelSelector", "").strip()
        return bool(labels) or not is_name_only(self.query.get("fieldSelector", ""))


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer: a document, its HTTP status and warnings (sent as `Warning` headers). A large one
    comes as JSON already (`body`), and its document is empty."""

    document: Document
    code: int = 200
    warnings: tuple[str, ...] = field(default=())
    body: bytes = b""
