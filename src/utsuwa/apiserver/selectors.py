"""Label and field selectors in the grammar that Kubernetes clients send.

Labels: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x,y)`, `a`, `!a`, joined by commas, blanks
anywhere around the operators (gcloud writes `key = value`). Fields: `path=value`, `path!=value`.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from utsuwa.apiserver.status import bad_request
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import (
    CORE_SERVICE,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    SECRET,
    Kind,
)

Match: TypeAlias = Callable[[Document], bool]

_KEY = r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?/)?[a-zA-Z0-9](?:[-\w.]{0,61}[a-zA-Z0-9])?"
_VALUE = r"(?:[a-zA-Z0-9](?:[-\w.]*[a-zA-Z0-9])?)?"
_TERM = re.compile(
    rf"""\s*(?:
        !\s*(?P<absent>{_KEY})
      | (?P<key>{_KEY})\s*(?:
            (?P<op>==|=|!=)\s*(?P<value>{_VALUE})
          | (?P<set>(?<=\s)(?:in|notin))\s*\((?P<values>[^()]*)\)
        )?
    )\s*""",
    re.VERBOSE | re.ASCII,
)

_FIELDS: dict[Kind, frozenset[str]] = {
    POD: frozenset({
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
    }),
    EVENT: frozenset({
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
    }),
    SECRET: frozenset({"type"}),
    NAMESPACE: frozenset({"status.phase"}),
    NODE: frozenset({"spec.unschedulable"}),
    REPLICA_SET: frozenset({"status.replicas"}),
    CORE_SERVICE: frozenset({"spec.clusterIP", "spec.type"}),
}  # fmt: skip
_COMMON = frozenset({"metadata.name", "metadata.namespace"})


def label_selector(text: str) -> Match | None:
    """What `text` selects; None when it selects everything.

    Raises:
        BadRequestError: the text is not a selector.
    """
    tests = [_label_test(match) for match in _terms(text)]
    if not tests:
        return None

    def matches(document: Document) -> bool:
        labels = dig(document, "metadata", "labels", default={})
        return all(test(labels) for test in tests)

    return matches


def field_selector(text: str, kind: Kind) -> Match | None:
    """What `text` selects among objects of `kind`; None when it selects everything.

    Raises:
        BadRequestError: not a selector, or a field that this kind cannot be selected by.
    """
    tests = [_field_test(term, kind) for term in text.split(",") if term.strip()]
    if not tests:
        return None
    return lambda document: all(test(document) for test in tests)


def is_name_only(text: str) -> bool:
    """Whether a field selector looks at nothing but what never changes of an object."""
    return all(
        re.split(r"!?==?", term, maxsplit=1)[0].strip() in _COMMON
        for term in text.split(",")
        if term.strip()
    )


def both(first: Match | None, second: Match | None) -> Match | None:
    """What both select."""
    if first is None or second is None:
        return first or second
    one, other = first, second
    return lambda document: one(document) and other(document)


def _terms(text: str) -> list[re.Match[str]]:
    found, position = [], 0
    while text.strip():
        match = _TERM.match(text, position)
        if match is None or (match.end() < len(text) and text[match.end()] != ","):
            raise bad_request(
                f"unable to parse requirement: label selector {text!r}: expected key=value, "
                f"key!=value, key in (a,b), key notin (a,b), key or !key, found "
                f"{text[position:]!r}"
            )
        found.append(match)
        if match.end() >= len(text):
            break
        position = match.end() + 1
    return found


def _label_test(match: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    if match["absent"]:
        absent = match["absent"]
        return lambda labels: absent not in labels
    key = match["key"]
    if match["set"]:
        values = frozenset(value.strip() for value in match["values"].split(","))
        if match["set"] == "in":
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: key not in labels or labels[key] not in values
    if match["op"]:
        value = match["value"]
        if match["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    return lambda labels: key in labels


def _field_test(term: str, kind: Kind) -> Match:
    parsed = re.fullmatch(r"\s*([\w.]+)\s*(==|=|!=)\s*(.*?)\s*", term)
    if parsed is None:
        raise bad_request(f"invalid field selector {term!r}: expected path=value or path!=value")
    path, operator, value = parsed.groups()
    if path not in _COMMON and path not in _FIELDS.get(kind, frozenset()):
        raise bad_request(f"field label not supported: {path}")
    steps = tuple(path.split("."))
    if (kind, path) == (EVENT, "source"):
        steps = ("source", "component")
    positive = operator != "!="

    def matches(document: Document) -> bool:
        found = dig(document, *steps, default="")
        shown = str(found).lower() if isinstance(found, bool) else str(found)
        return (shown == value) is positive

    return matches
