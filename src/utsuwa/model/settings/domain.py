"""config-domain: which domain a Route's hosts are under (`spec/config.md` §7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import yaml

from utsuwa.model.labels import VISIBILITY, VISIBILITY_CLUSTER_LOCAL
from utsuwa.model.names import local_domain

MAP = "config-domain"
EXAMPLE = "_example"


@dataclass(frozen=True, slots=True)
class DomainChoice:
    """One domain and the labels that choose it; without labels it is a default."""

    domain: str
    selector: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Domains:
    """Every domain on offer. Without a default among them, `svc.cluster.local` is added."""

    choices: tuple[DomainChoice, ...] = (DomainChoice(local_domain()),)

    def lookup(self, labels: Mapping[str, str]) -> str:
        """The domain of a Route with `labels`: the most selector labels win, then the alphabet."""
        if labels.get(VISIBILITY) == VISIBILITY_CLUSTER_LOCAL:
            return local_domain()
        matching = (
            choice
            for choice in self.choices
            if all(labels.get(key) == value for key, value in choice.selector)
        )
        return min(matching, key=lambda choice: (-len(choice.selector), choice.domain)).domain

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> Self:
        """The domains of `data`, whose keys they are.

        Raises:
            ValueError: a value is not YAML of `{selector: {label: value}}`.
        """
        choices = [
            DomainChoice(domain, _selector(domain, text))
            for domain, text in sorted(data.items())
            if domain != EXAMPLE
        ]
        if all(choice.selector for choice in choices):
            choices.append(DomainChoice(local_domain()))
        return cls(tuple(choices))


def _selector(domain: str, text: str) -> tuple[tuple[str, str], ...]:
    try:
        body: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _fault(domain, text) from error
    selector = (body.get("selector") or {}) if isinstance(body, dict) else body
    match selector:
        case None:
            return ()
        case dict():
            return tuple(sorted((str(key), str(value)) for key, value in selector.items()))
        case _:
            raise _fault(domain, text)


def _fault(domain: str, text: str) -> ValueError:
    expected = "expected YAML like 'selector: {app: nonprofit}'"
    return ValueError(f"{MAP}: {domain}: {expected}, found {text!r}")
