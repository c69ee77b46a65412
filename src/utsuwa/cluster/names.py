"""Names of objects, as Kubernetes allows them. Pure."""

import re

from utsuwa.cluster import refusals
from utsuwa.model.kinds import NAMESPACE, RIGHTS_KINDS, Kind

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_PATTERN = re.compile(_LABEL)
_SUBDOMAIN_PATTERN = re.compile(_SUBDOMAIN)


def check_name(kind: Kind, name: str) -> None:
    """Every name is a DNS subdomain, a Namespace's a DNS label; a role's or a binding's
    (`system:node`) needs but fit into a path.

    Raises:
        InvalidError: it is not; in the words of Kubernetes.
    """
    if kind in RIGHTS_KINDS:
        problem = _segment_problem(name)
    else:
        problem = _label_problem(name) if kind == NAMESPACE else _subdomain_problem(name)
    if problem:
        shown = f'Invalid value: "{name}": {problem}'
        raise refusals.invalid(kind, name, "metadata.name", shown, "FieldValueInvalid")


def _subdomain_problem(name: str) -> str:
    if len(name) > 253:
        return "must be no more than 253 characters"
    if _SUBDOMAIN_PATTERN.fullmatch(name):
        return ""
    return (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
        "'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
        rf"regex used for validation is '{_LABEL}(\.{_LABEL})*')"
    )


def _segment_problem(name: str) -> str:
    if name in {".", ".."}:
        return f"may not be '{name}'"
    return next((f"may not contain '{sign}'" for sign in "/%" if sign in name), "")


def _label_problem(name: str) -> str:
    if len(name) > 63:
        return "must be no more than 63 characters"
    if _LABEL_PATTERN.fullmatch(name):
        return ""
    return (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
        f"regex used for validation is '{_LABEL}')"
    )
