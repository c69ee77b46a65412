"""The columns of each kind's `Table`."""

from utsuwa.apiserver.columns.cells import Column
from utsuwa.apiserver.columns.core import CORE
from utsuwa.apiserver.columns.knative import KNATIVE
from utsuwa.apiserver.columns.plain import PLAIN
from utsuwa.apiserver.columns.rights import RIGHTS
from utsuwa.model.kinds import Kind

_COLUMNS: dict[Kind, tuple[Column, ...]] = {**CORE, **KNATIVE, **RIGHTS}


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The columns of a kind; Name and Age where it has none of its own."""
    return _COLUMNS.get(kind, PLAIN)


__all__ = ["Column", "columns_of"]
