"""What form of answer a client asks for, read from its `Accept` header.

Forms: the object itself as JSON, a `Table`, its metadata alone, or aggregated discovery
(`spec/kubernetes-api.md` §4.1, §4.5), each as JSON, the first also as YAML. Protobuf is never
answered: clients that prefer it also take JSON, as they must for custom resources. Who takes
nothing that there is gets 406, as Kubernetes answers for custom resources.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Form(Enum):
    """What the answer is turned into."""

    OBJECT = "Object"
    TABLE = "Table"
    PARTIAL = "PartialObjectMetadata"
    PARTIAL_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A form, and the version of the form's own API (`v1`, `v2beta1`, …)."""

    form: Form
    version: str = ""
    yaml: bool = False


_META = "meta.k8s.io"
_KNOWN: dict[tuple[str, str], tuple[Form, frozenset[str]]] = {
    ("Table", _META): (Form.TABLE, frozenset({"v1", "v1beta1"})),
    ("PartialObjectMetadata", _META): (Form.PARTIAL, frozenset({"v1", "v1beta1"})),
    ("PartialObjectMetadataList", _META): (Form.PARTIAL_LIST, frozenset({"v1", "v1beta1"})),
    ("APIGroupDiscoveryList", "apidiscovery.k8s.io"): (
        Form.DISCOVERY,
        frozenset({"v2", "v2beta1"}),
    ),
}
_JSON = frozenset({"application/json", "application/*", "*/*"})
_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
PLAIN = Wanted(Form.OBJECT)
"""The object itself."""


@lru_cache(maxsize=256)
def wanted(accept: str) -> Wanted:
    """The first form of `accept` that can be given; plain objects where none is named.

    >>> wanted("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    Wanted(form=<Form.TABLE: 'Table'>, version='v1')
    """
    for entry in accept.split(","):
        media_type, *raw = (part.strip() for part in entry.split(";"))
        parameters = dict(part.split("=", 1) for part in raw if "=" in part)
        if "as" not in parameters:
            if media_type in _JSON:
                return PLAIN
            if media_type in _YAML:
                return Wanted(Form.OBJECT, yaml=True)
            continue
        known = _KNOWN.get((parameters["as"], parameters.get("g", "")))
        version = parameters.get("v", "")
        if known is not None and version in known[1] and media_type == "application/json":
            return Wanted(known[0], version)
    return PLAIN


@lru_cache(maxsize=256)
def is_acceptable(accept: str) -> bool:
    """Whether `accept` names anything that can be given.

    >>> is_acceptable("application/vnd.kubernetes.protobuf, */*"), is_acceptable("text/html")
    (True, False)
    """
    if not accept.strip():
        return True
    return wanted(accept) is not PLAIN or any(
        entry.partition(";")[0].strip() in _JSON and "as=" not in entry.replace(" ", "")
        for entry in accept.split(",")
    )


def discovery_type(version: str) -> str:
    """The `Content-Type` of aggregated discovery, which must repeat what it is."""
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
