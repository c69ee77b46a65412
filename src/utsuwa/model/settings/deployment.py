"""config-deployment: how Revisions are deployed (`spec/config.md` §5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import yaml

from utsuwa.model.settings.reading import Reader

MAP = "config-deployment"
SPREAD = "prefer-spread-revision-over-nodes"
_LOCAL = frozenset(("kind.local", "ko.local", "dev.local"))
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_OLDER = {"cpu": "CPU", "memory": "Memory", "ephemeral-storage": "EphemeralStorage"}
_TEXTS = {
    "queue_sidecar_root_ca": "queue-sidecar-rootca",
    "queue_sidecar_tls_min_version": "queue-sidecar-tls-min-version",
    "queue_sidecar_tls_max_version": "queue-sidecar-tls-max-version",
    "queue_sidecar_tls_cipher_suites": "queue-sidecar-tls-cipher-suites",
    "queue_sidecar_tls_curve_preferences": "queue-sidecar-tls-curve-preferences",
}


@dataclass(frozen=True, slots=True)
class RuntimeClass:
    """A runtime class and the labels that choose it."""

    name: str
    selector: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """Times in seconds. The `queue_sidecar_*` settings are kept and served for tools that read
    them; our gateway needs no sidecar."""

    queue_sidecar_image: str = ""
    progress_deadline: float = 600.0
    digest_resolution_timeout: float = 10.0
    registries_skipping_tag_resolving: frozenset[str] = _LOCAL
    queue_sidecar_requests: tuple[tuple[str, str], ...] = (("cpu", "25m"),)
    queue_sidecar_limits: tuple[tuple[str, str], ...] = ()
    queue_sidecar_token_audiences: frozenset[str] = frozenset()
    queue_sidecar_root_ca: str = ""
    queue_sidecar_tls_min_version: str = ""
    queue_sidecar_tls_max_version: str = ""
    queue_sidecar_tls_cipher_suites: str = ""
    queue_sidecar_tls_curve_preferences: str = ""
    default_affinity_type: str = SPREAD
    runtime_classes: tuple[RuntimeClass, ...] = ()
    pod_is_always_schedulable: bool = False
    containers_created_ahead: int = 10
    """Our own: for how many Revisions at zero a container is created and not started."""
    processes_created_ahead: int = 30
    """Likewise for bundles, whose processes wait for a word."""

    def runtime_class(self, labels: Mapping[str, str]) -> str:
        """The runtime class for pods with `labels`: the most specific match, then the first in
        alphabetical order; "" for none."""
        matching = [
            choice
            for choice in self.runtime_classes
            if all(labels.get(key) == value for key, value in choice.selector)
        ]
        best = min(matching, key=lambda choice: (-len(choice.selector), choice.name), default=None)
        return best.name if best else ""

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> Self:
        """The settings of `data`.

        Raises:
            ValueError: a value is malformed or out of range.
        """
        reader = Reader(MAP, data)
        texts = {field: reader.text(key, "") for field, key in _TEXTS.items()}
        return cls(
            queue_sidecar_image=_image(reader),
            progress_deadline=_deadline(reader),
            digest_resolution_timeout=_timeout(reader),
            registries_skipping_tag_resolving=reader.names(
                "registries-skipping-tag-resolving", _LOCAL, older="registriesSkippingTagResolving"
            ),
            queue_sidecar_requests=_quantities(reader, "request", {"cpu": "25m"}),
            queue_sidecar_limits=_quantities(reader, "limit", {}),
            queue_sidecar_token_audiences=reader.names(
                "queue-sidecar-token-audiences", frozenset()
            ),
            default_affinity_type=_affinity(reader),
            runtime_classes=_runtime_classes(reader),
            pod_is_always_schedulable=reader.boolean("pod-is-always-schedulable", False),
            containers_created_ahead=reader.integer("containers-created-ahead", 10, low=0),
            processes_created_ahead=reader.integer("processes-created-ahead", 30, low=0),
            **texts,
        )


def _image(reader: Reader) -> str:
    """Required by the original; here there is no sidecar, so only an explicit blank is refused."""
    image = reader.text("queue-sidecar-image", "", older="queueSidecarImage")
    if not image and reader.raw("queue-sidecar-image", "queueSidecarImage") is not None:
        raise reader.fault("queue-sidecar-image", "expected an image")
    return image


def _deadline(reader: Reader) -> float:
    key = "progress-deadline"
    deadline = reader.duration(key, 600.0, older="progressDeadline")
    if deadline <= 0 or deadline != int(deadline):
        raise reader.fault(key, "expected a duration above zero in whole seconds")
    return deadline


def _timeout(reader: Reader) -> float:
    key = "digest-resolution-timeout"
    timeout = reader.duration(key, 10.0, older="digestResolutionTimeout")
    if timeout <= 0:
        raise reader.fault(key, "expected a duration above zero")
    return timeout


def _affinity(reader: Reader) -> str:
    value = reader.raw("default-affinity-type")
    if value not in {None, "none", SPREAD}:
        raise reader.fault("default-affinity-type", f"expected none or {SPREAD}")
    return value or SPREAD


def _quantities(
    reader: Reader, what: str, defaults: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    found = (
        (
            resource,
            reader.quantity(
                f"queue-sidecar-{resource}-{what}",
                defaults.get(resource),
                older=f"queueSidecar{_OLDER[resource]}{what.capitalize()}",
            ),
        )
        for resource in _RESOURCES
    )
    return tuple((resource, value) for resource, value in found if value is not None)


def _runtime_classes(reader: Reader) -> tuple[RuntimeClass, ...]:
    key = "runtime-class-name"
    try:
        parsed: Any = yaml.safe_load(reader.raw(key) or "") or {}
    except yaml.YAMLError as error:
        raise reader.fault(key, "expected YAML of class: {selector: labels}") from error
    if not isinstance(parsed, dict):
        raise reader.fault(key, "expected YAML of class: {selector: labels}")
    return tuple(
        RuntimeClass(str(name), _selector(reader, key, body)) for name, body in parsed.items()
    )


def _selector(reader: Reader, key: str, body: Any) -> tuple[tuple[str, str], ...]:
    selector = (body or {}).get("selector") if isinstance(body or {}, dict) else body
    if not isinstance(selector or {}, dict):
        raise reader.fault(key, "expected a map of labels as selector")
    return tuple(sorted((str(label), str(value)) for label, value in (selector or {}).items()))
