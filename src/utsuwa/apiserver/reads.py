"""get and list."""

from utsuwa.apiserver.calls import Call, Outcome
from utsuwa.apiserver.large import LARGE, LargeLists
from utsuwa.apiserver.paging import Pages
from utsuwa.apiserver.ports import Backend
from utsuwa.apiserver.scale import scale_of
from utsuwa.apiserver.status import invalid
from utsuwa.cluster.errors import Cause, ExpiredError
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind

_MATCHES = ("Exact", "NotOlderThan")
_FORBIDDEN = "FieldValueForbidden"


class Reads:
    """Answers what is, from the cluster's memory."""

    def __init__(self, cluster: Backend, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._pages = Pages(clock)
        self._large = LargeLists()

    async def get(self, call: Call) -> Outcome:
        """One object, or its status or scale."""
        document = await self._cluster.get(call.target.kind, call.target.key)
        if call.target.subresource == "scale":
            return Outcome(scale_of(document))
        return Outcome(call.shape.one(document, self._clock.now()))

    async def listing(self, call: Call) -> Outcome:
        """All objects that the selectors select, in the order of their names."""
        question = "|".join(
            (
                str(call.target),
                *(call.query.get(name, "") for name in ("labelSelector", "fieldSelector")),
            )
        )
        limit = call.number("limit") or 0
        token = call.query.get("continue", "")
        if token:
            page = self._pages.following(token, question, limit)
        else:
            _check_version(call)
            items, version = await self.select(call)
            asked = call.number("resourceVersion") or 0
            if asked > version:
                raise ExpiredError(f"too large resource version: {asked} ({version})")
            page = self._pages.first(items, str(version), question, limit)
        now = self._clock.now()
        if len(page.items) <= LARGE:
            return Outcome(call.shape.many(page.items, page.metadata, now))
        return Outcome({}, body=await self._large.encoded(call.shape, page, now))

    async def select(self, call: Call, kind: Kind | None = None) -> tuple[list[Document], int]:
        """The selected objects (of `kind`, where that is not the one called for) and the version
        to watch from."""
        matches = call.selection()
        listing = await self._cluster.list(kind or call.target.kind, call.target.namespace)
        asked = call.query.get("resourceVersion", "")
        if call.query.get("resourceVersionMatch") == "Exact" and asked != str(
            listing.resource_version
        ):
            raise ExpiredError(f"The provided resource version {asked} is no longer kept")
        items = [item for item in listing.items if matches is None or matches(item)]
        items.sort(key=_place)
        return items, listing.resource_version


def _check_version(call: Call) -> None:
    """What `resourceVersionMatch` may be said of. Raises InvalidError, in Kubernetes' words."""
    match = call.query.get("resourceVersionMatch", "")
    asked = call.query.get("resourceVersion", "")
    if not match:
        return
    told = ""
    if match not in _MATCHES:
        names = ", ".join(f'"{name}"' for name in _MATCHES)
        told = f'Unsupported value: "{match}": supported values: {names}'
    elif not asked:
        told = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match == "Exact" and asked == "0":
        told = 'Forbidden: resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'
    if told:
        raise invalid(call.target.kind, "", (Cause(told, "resourceVersionMatch", _FORBIDDEN),))


def _place(document: Document) -> tuple[str, str]:
    metadata = document["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
