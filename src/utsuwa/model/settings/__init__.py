"""The operator's settings: the ConfigMaps of `spec/config.md`, parsed strictly.

Every map has a module with a frozen value and a `parse` that raises ValueError naming map, key,
what was expected and what was found.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from utsuwa.model.config_autoscaler import AutoscalerConfig
from utsuwa.model.settings import others
from utsuwa.model.settings.defaults import Defaults
from utsuwa.model.settings.deployment import Deployment
from utsuwa.model.settings.domain import DomainChoice, Domains
from utsuwa.model.settings.features import Features, Flag
from utsuwa.model.settings.gc import GarbageCollection
from utsuwa.model.settings.network import Network
from utsuwa.model.settings.observability import Observability
from utsuwa.model.settings.templates import Template, TemplateError

__all__ = [
    "Defaults",
    "Deployment",
    "DomainChoice",
    "Domains",
    "Features",
    "Flag",
    "GarbageCollection",
    "Network",
    "Observability",
    "Settings",
    "Template",
    "TemplateError",
    "check_map",
]

Maps = Mapping[str, Mapping[str, str]]

_CHECKS: dict[str, Callable[[Mapping[str, str]], Any]] = {
    "config-autoscaler": AutoscalerConfig.parse,
    "config-defaults": Defaults.parse,
    "config-features": Features.parse,
    "config-deployment": Deployment.parse,
    "config-network": Network.parse,
    "config-domain": Domains.parse,
    "config-gc": GarbageCollection.parse,
    "config-observability": Observability.parse,
    "config-logging": others.check_logging,
    "config-leader-election": others.check_leader_election,
    "config-certmanager": others.check_cert_manager,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings at one moment."""

    autoscaler: AutoscalerConfig = field(default_factory=lambda: AutoscalerConfig.parse({}))
    defaults: Defaults = field(default_factory=Defaults)
    features: Features = field(default_factory=Features)
    deployment: Deployment = field(default_factory=Deployment)
    network: Network = field(default_factory=Network)
    domain: Domains = field(default_factory=Domains)
    gc: GarbageCollection = field(default_factory=GarbageCollection)
    observability: Observability = field(default_factory=Observability)

    @classmethod
    def parse(cls, maps: Maps) -> Self:
        """Settings from the data of ConfigMaps by name; absent maps and keys mean defaults.

        Raises:
            ValueError: names map, key, what was expected and what was found.
        """
        return cls(
            autoscaler=AutoscalerConfig.parse(maps.get("config-autoscaler", {})),
            defaults=Defaults.parse(maps.get("config-defaults", {})),
            features=Features.parse(maps.get("config-features", {})),
            deployment=Deployment.parse(maps.get("config-deployment", {})),
            network=Network.parse(maps.get("config-network", {})),
            domain=Domains.parse(maps.get("config-domain", {})),
            gc=GarbageCollection.parse(maps.get("config-gc", {})),
            observability=Observability.parse(maps.get("config-observability", {})),
        )


def check_map(name: str, data: Mapping[str, str]) -> None:
    """Parse one ConfigMap alone, for admission; a map that is none of ours passes.

    Raises:
        ValueError: as :meth:`Settings.parse`.
    """
    check = _CHECKS.get(name)
    if check is not None:
        check(data)
