"""Answers in the form that was asked for: lists, tables, metadata alone.

Pure: objects in, documents out (`spec/kubernetes-api.md` §4.5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from utsuwa.apiserver.columns import Column, columns_of
from utsuwa.apiserver.columns.cells import UNKNOWN
from utsuwa.apiserver.negotiation import Form, Wanted
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import Kind


@dataclass(frozen=True, slots=True)
class Shape:
    """How answers about one kind are to look."""

    kind: Kind
    wanted: Wanted
    include: str = "Metadata"
    """What a row carries beside its cells: `None`, `Metadata` or `Object` (`includeObject`)."""

    def one(self, document: Document, now: float) -> Document:
        """A single object."""
        if self.wanted.form is Form.TABLE:
            version = document.get("metadata", {}).get("resourceVersion", "")
            return self._table([document], {"resourceVersion": version}, now)
        if self.wanted.form is Form.PARTIAL:
            return self._partial(document)
        return document

    def many(self, documents: Sequence[Document], metadata: Document, now: float) -> Document:
        """A list, `metadata` being the list's own."""
        if self.wanted.form is Form.TABLE:
            return self._table(documents, metadata, now)
        if self.wanted.form in {Form.PARTIAL, Form.PARTIAL_LIST}:
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{self.wanted.version}",
                "metadata": metadata,
                "items": [self._partial(document) for document in documents],
            }
        return {
            "kind": f"{self.kind.name}List",
            "apiVersion": self.kind.api_version,
            "metadata": metadata,
            "items": list(documents),
        }

    def watched(self, document: Document, now: float, *, first: bool) -> Document:
        """An object in a watch event; only the `first` one names its columns."""
        if self.wanted.form is Form.TABLE:
            version = document.get("metadata", {}).get("resourceVersion", "")
            table = self._table([document], {"resourceVersion": version}, now, watched=True)
            return table if first else {**table, "columnDefinitions": None}
        if self.wanted.form in {Form.PARTIAL, Form.PARTIAL_LIST}:
            return self._partial(document)
        return document

    def bookmark(self, metadata: Document) -> Document:
        """The object of a BOOKMARK event."""
        partial: Document = {
            "kind": self.kind.name,
            "apiVersion": self.kind.api_version,
            "metadata": metadata,
        }
        if self.wanted.form is Form.TABLE:
            table = self._table([], {"resourceVersion": metadata["resourceVersion"]}, 0.0)
            row = {"cells": [], "object": self._partial(partial)}
            return {**table, "columnDefinitions": None, "rows": [row]}
        if self.wanted.form in {Form.PARTIAL, Form.PARTIAL_LIST}:
            return self._partial(partial)
        return partial

    def _table(
        self,
        documents: Sequence[Document],
        metadata: Document,
        now: float,
        *,
        watched: bool = False,
    ) -> Document:
        columns = columns_of(self.kind)
        # A watch names its columns once, whatever comes later.
        failed = not watched and any(_has_failed(document) for document in documents)
        rows = []
        for document in documents:
            row: dict[str, Any] = {"cells": [_cell(column, document, now) for column in columns]}
            if self.include == "Object":
                row["object"] = document
            elif self.include != "None":
                row["object"] = self._partial(document)
            rows.append(row)
        return {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{self.wanted.version}",
            "metadata": metadata,
            "columnDefinitions": [column.definition(failed=failed) for column in columns],
            "rows": rows,
        }

    def _partial(self, document: Document) -> Document:
        return {
            "kind": "PartialObjectMetadata",
            "apiVersion": f"meta.k8s.io/{self.wanted.version}",
            "metadata": document.get("metadata", {}),
        }


def _has_failed(document: Document) -> bool:
    conditions = dig(document, "status", "conditions", default=None)
    return isinstance(conditions, list) and any(
        isinstance(one, dict) and one.get("type") == "Ready" and one.get("status") == "False"
        for one in conditions
    )


def _cell(column: Column, document: Document, now: float) -> Any:
    """A cell; one that a malformed status does not yield must not hide all other objects."""
    try:
        return column.cell(document, now)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError):
        return UNKNOWN
