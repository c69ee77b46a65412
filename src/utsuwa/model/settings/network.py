"""config-network: hosts, schemes, rollout (`spec/config.md` §6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import yaml

from utsuwa.model.settings.reading import Reader
from utsuwa.model.settings.templates import Template, TemplateError

MAP = "config-network"
_DOMAIN_TEMPLATE = Template("{{.Name}}.{{.Namespace}}.{{.Domain}}")
_TAG_TEMPLATE = Template("{{.Tag}}-{{.Name}}")
_PATH = re.compile(r"[/?#\s]")


@dataclass(frozen=True, slots=True)
class Network:
    """`rollout_duration` in seconds; `http_protocol` is enabled, redirected or disabled."""

    ingress_class: str = "istio.ingress.networking.knative.dev"
    certificate_class: str = "cert-manager.certificate.networking.knative.dev"
    domain_template: Template = _DOMAIN_TEMPLATE
    tag_template: Template = _TAG_TEMPLATE
    rollout_duration: int = 0
    autocreate_cluster_domain_claims: bool = False
    default_external_scheme: str = "http"
    external_domain_tls: bool = False
    cluster_local_domain_tls: bool = False
    system_internal_tls: bool = False
    http_protocol: str = "enabled"
    namespace_wildcard_cert_selector: str = ""
    mesh_compatibility_mode: str = "auto"
    enable_mesh_pod_addressability: bool = False

    def host(
        self,
        name: str,
        namespace: str,
        domain: str,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> str:
        """The external host of a traffic target called `name`.

        Raises:
            TemplateError: the template cannot be rendered for this Route.
        """
        return self.domain_template.render(
            {
                "Name": name,
                "Namespace": namespace,
                "Domain": domain,
                "Labels": labels or {},
                "Annotations": annotations or {},
            }
        )

    def tag_name(self, tag: str, route: str) -> str:
        """The name part of a tagged target: `v2-hello`; of the default target, the Route's.

        Raises:
            TemplateError: the template cannot be rendered.
        """
        return self.tag_template.render({"Tag": tag, "Name": route}) if tag else route

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> Self:
        """The settings of `data`.

        Raises:
            ValueError: a value is malformed or out of range.
        """
        reader = Reader(MAP, data)
        tls = ("disabled", "enabled")
        return cls(
            ingress_class=reader.text("ingress-class", cls().ingress_class, older="ingress.class"),
            certificate_class=reader.text(
                "certificate-class", cls().certificate_class, older="certificate.class"
            ),
            domain_template=_domain_template(reader),
            tag_template=_tag_template(reader),
            rollout_duration=reader.integer("rollout-duration", 0, low=0, older="rolloutDuration"),
            autocreate_cluster_domain_claims=reader.boolean(
                "autocreate-cluster-domain-claims", False, older="autocreateClusterDomainClaims"
            ),
            default_external_scheme=reader.text(
                "default-external-scheme", "http", older="defaultExternalScheme"
            ),
            external_domain_tls=(
                reader.raw("external-domain-tls", "auto-tls", "autoTLS") or ""
            ).lower()
            == "enabled",
            cluster_local_domain_tls=reader.choice("cluster-local-domain-tls", "disabled", tls)
            == "enabled",
            system_internal_tls=_internal_tls(reader),
            http_protocol=reader.choice(
                "http-protocol",
                "enabled",
                ("enabled", "redirected", "disabled"),
                older="httpProtocol",
            ),
            namespace_wildcard_cert_selector=_cert_selector(reader),
            mesh_compatibility_mode=_mesh_mode(reader),
            enable_mesh_pod_addressability=reader.boolean("enable-mesh-pod-addressability", False),
        )


def _internal_tls(reader: Reader) -> bool:
    older = reader.boolean("internal-encryption", False)
    value = reader.choice("system-internal-tls", "", ("disabled", "enabled"))
    return value == "enabled" or older


def _mesh_mode(reader: Reader) -> str:
    """Text that is no mode leaves the default, as in the original."""
    raw = (reader.raw("mesh-compatibility-mode") or "").lower()
    return raw if raw in {"enabled", "disabled", "auto"} else "auto"


def _cert_selector(reader: Reader) -> str:
    key = "namespace-wildcard-cert-selector"
    raw = reader.raw(key) or ""
    try:
        parsed: Any = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise reader.fault(key, "expected a label selector in YAML") from error
    if parsed is not None and not isinstance(parsed, dict):
        raise reader.fault(key, "expected a label selector in YAML")
    return raw


def _domain_template(reader: Reader) -> Template:
    key = "domain-template"
    template = reader.convert(key, _DOMAIN_TEMPLATE, Template.parse, older="domainTemplate")
    example = {"Name": "foo", "Namespace": "bar", "Domain": "baz.com"}
    try:
        host = template.render({**example, "Labels": {}, "Annotations": {}})
    except TemplateError as error:
        raise reader.fault(key, str(error)) from error
    if not host or host.startswith(":"):
        raise reader.fault(key, "expected a template that gives a host")
    if _PATH.search(host):
        raise reader.fault(key, f"expected a template that gives a host alone, not {host!r}")
    return template


def _tag_template(reader: Reader) -> Template:
    key = "tag-template"
    template = reader.convert(key, _TAG_TEMPLATE, Template.parse, older="tagTemplate")
    try:
        template.render({"Name": "foo", "Tag": "v2"})
    except TemplateError as error:
        raise reader.fault(key, str(error)) from error
    return template
