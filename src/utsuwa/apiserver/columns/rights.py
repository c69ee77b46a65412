"""Columns of roles and bindings."""

from collections.abc import Callable

from utsuwa.apiserver.columns.cells import AGE, NAME, Column, at, wide
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Kind


def _role(binding: Document, _: float) -> str:
    return f"{dig(binding, 'roleRef', 'kind')}/{dig(binding, 'roleRef', 'name')}"


def _subjects(kind: str) -> Callable[[Document, float], str]:
    def cell(binding: Document, _: float) -> str:
        named = [s for s in binding.get("subjects") or () if s.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{s.get('namespace', '')}/{s['name']}" for s in named)
        return ", ".join(s["name"] for s in named)

    return cell


_ROLES = (NAME, Column("Created At", at(".metadata.creationTimestamp")))
_BINDINGS = (
    NAME,
    Column("Role", _role),
    AGE,
    wide("Users", _subjects("User")),
    wide("Groups", _subjects("Group")),
    wide("ServiceAccounts", _subjects("ServiceAccount")),
)
RIGHTS: dict[Kind, tuple[Column, ...]] = {
    ROLE: _ROLES,
    CLUSTER_ROLE: _ROLES,
    ROLE_BINDING: _BINDINGS,
    CLUSTER_ROLE_BINDING: _BINDINGS,
}
