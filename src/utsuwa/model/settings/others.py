"""Checks of the operator's maps that are accepted and served but change nothing here:
config-logging, config-leader-election, config-certmanager (`spec/config.md` §10-§12)."""

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from utsuwa.kit.documents import decode
from utsuwa.model.settings.reading import Reader

_LEVELS = frozenset(("debug", "info", "warn", "error", "dpanic", "panic", "fatal"))


def check_logging(data: Mapping[str, str]) -> None:
    """Raises ValueError for a map that the original would not take."""
    reader = Reader("config-logging", data)
    raw = reader.raw("zap-logger-config")
    if raw:
        try:
            decode(raw)
        except msgspec.DecodeError as error:
            raise reader.fault("zap-logger-config", f"expected JSON ({error})") from error
    for key in data:
        if key.startswith("loglevel.") and data[key].lower() not in {*_LEVELS, ""}:
            raise reader.fault(key, f"expected one of {', '.join(sorted(_LEVELS))}")


def check_leader_election(data: Mapping[str, str]) -> None:
    """Raises ValueError for a map that the original would not take."""
    reader = Reader("config-leader-election", data)
    for key in ("lease-duration", "renew-deadline", "retry-period"):
        reader.duration(key, 1.0)
    if not 1 <= reader.integer("buckets", 1) <= 10:
        raise reader.fault("buckets", "expected 1 to 10")


def check_cert_manager(data: Mapping[str, str]) -> None:
    """Raises ValueError for a map that the original would not take."""
    reader = Reader("config-certmanager", data)
    for key in ("issuerRef", "clusterLocalIssuerRef", "systemInternalIssuerRef"):
        try:
            parsed: Any = yaml.safe_load(reader.raw(key) or "")
        except yaml.YAMLError as error:
            raise reader.fault(key, "expected YAML of {kind, name, group}") from error
        if parsed is not None and not isinstance(parsed, dict):
            raise reader.fault(key, "expected YAML of {kind, name, group}")
