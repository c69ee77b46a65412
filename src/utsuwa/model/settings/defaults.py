"""config-defaults: what a Revision gets that does not say (`spec/config.md` §2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from utsuwa.model.settings.reading import Reader
from utsuwa.model.settings.templates import Template, TemplateError

MAP = "config-defaults"
_USER_CONTAINER = Template("user-container")
_INIT_CONTAINER = Template("init-container")
_EXAMPLE_META: dict[str, Any] = {
    "Name": "",
    "GenerateName": "",
    "Namespace": "",
    "Labels": {},
    "Annotations": {},
}


@dataclass(frozen=True, slots=True)
class Defaults:
    """Times in seconds. `enable_service_links` None leaves the choice to Kubernetes."""

    revision_timeout_seconds: int = 300
    max_revision_timeout_seconds: int = 600
    revision_response_start_timeout_seconds: int = 300
    revision_idle_timeout_seconds: int = 0
    container_concurrency: int = 0
    container_concurrency_max_limit: int = 1000
    allow_container_concurrency_zero: bool = True
    container_name_template: Template = _USER_CONTAINER
    init_container_name_template: Template = _INIT_CONTAINER
    enable_service_links: bool | None = False
    requests: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, str], ...] = ()

    def container_name(self, metadata: Mapping[str, Any]) -> str:
        """The name of a container without one, below a parent with `metadata`."""
        return _render(self.container_name_template, metadata)

    def init_container_name(self, metadata: Mapping[str, Any]) -> str:
        """The same for an init container."""
        return _render(self.init_container_name_template, metadata)

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> Self:
        """The defaults of `data`.

        Raises:
            ValueError: a value is malformed or out of range.
        """
        reader = Reader(MAP, data)
        timeout = reader.integer("revision-timeout-seconds", 300)
        result = cls(
            revision_timeout_seconds=timeout,
            max_revision_timeout_seconds=reader.integer("max-revision-timeout-seconds", 600),
            revision_response_start_timeout_seconds=reader.integer(
                "revision-response-start-timeout-seconds", timeout
            ),
            revision_idle_timeout_seconds=reader.integer("revision-idle-timeout-seconds", 0),
            container_concurrency=reader.integer("container-concurrency", 0, low=0),
            container_concurrency_max_limit=reader.integer(
                "container-concurrency-max-limit", 1000, low=1
            ),
            allow_container_concurrency_zero=reader.boolean(
                "allow-container-concurrency-zero", True
            ),
            container_name_template=_template(reader, "container-name-template", _USER_CONTAINER),
            init_container_name_template=_template(
                reader, "init-container-name-template", _INIT_CONTAINER
            ),
            enable_service_links=_tri_state(reader.raw("enable-service-links")),
            requests=_resources(reader, "request"),
            limits=_resources(reader, "limit"),
        )
        result._check(reader)
        return result

    def _check(self, reader: Reader) -> None:
        timeout, most = self.revision_timeout_seconds, self.max_revision_timeout_seconds
        if timeout > most:
            raise reader.fault(
                "revision-timeout-seconds",
                f"expected at most max-revision-timeout-seconds ({most})",
            )
        for key, value in (
            (
                "revision-response-start-timeout-seconds",
                self.revision_response_start_timeout_seconds,
            ),
            ("revision-idle-timeout-seconds", self.revision_idle_timeout_seconds),
        ):
            if value > timeout:
                raise reader.fault(key, f"expected at most revision-timeout-seconds ({timeout})")
        limit = self.container_concurrency_max_limit
        if self.container_concurrency > limit:
            raise reader.fault("container-concurrency", f"expected 0 to {limit}")


def _tri_state(raw: str | None) -> bool | None:
    if raw is None:
        return False
    return {"true": True, "false": False}.get(raw.lower())


def _resources(reader: Reader, what: str) -> tuple[tuple[str, str], ...]:
    found = (
        (resource, reader.quantity(f"revision-{resource}-{what}"))
        for resource in ("cpu", "memory", "ephemeral-storage")
    )
    return tuple((resource, value) for resource, value in found if value is not None)


def _template(reader: Reader, key: str, default: Template) -> Template:
    template = reader.convert(key, default, Template.parse)
    try:
        template.render(_EXAMPLE_META)
    except TemplateError as error:
        raise reader.fault(key, str(error)) from error
    return template


def _render(template: Template, metadata: Mapping[str, Any]) -> str:
    try:
        return template.render(
            {
                "Name": metadata.get("name") or "",
                "GenerateName": metadata.get("generateName") or "",
                "Namespace": metadata.get("namespace") or "",
                "Labels": metadata.get("labels") or {},
                "Annotations": metadata.get("annotations") or {},
            }
        )
    except TemplateError:
        return ""  # as the original: a template that fails for one parent names nothing
