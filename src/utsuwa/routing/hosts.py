"""Under which names the targets of a Route are reached (`spec/reconcilers.md` §5.3, §5.4). Pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.meta import annotations_of, labels_of, name_of, namespace_of
from utsuwa.model.names import cluster_local_host, cluster_local_hosts, local_domain
from utsuwa.model.settings import Settings, TemplateError

HTTP_PORT = 80
HTTPS_PORT = 443
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"^{_LABEL}(?:\.{_LABEL})+$")
LONGEST_HOST = 253


def url_of(host: str, *, port: int = HTTP_PORT, https_port: int = 0) -> str:
    """The URL of `host`, by https where there is a port for it.

    >>> url_of("shop.example.com", port=8080)
    'http://shop.example.com:8080'
    >>> url_of("shop.example.com", https_port=443)
    'https://shop.example.com'
    """
    if https_port:
        return f"https://{host}" + ("" if https_port == HTTPS_PORT else f":{https_port}")
    return f"http://{host}" + ("" if port == HTTP_PORT else f":{port}")


class HostError(ValueError):
    """A template of the operator gives no usable host for this Route; the message says which."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names of one Route's targets.

    `port` and `https_port` are where the gateway listens for requests from outside; they are part
    of the URLs, not of the hosts, unless they are those that the schemes assume. Without an `https_port` there is no https.
    """

    route: Document
    settings: Settings
    port: int = HTTP_PORT
    https_port: int = HTTPS_PORT

    @property
    def local(self) -> bool:
        """Whether the Route as a whole is seen inside the cluster alone."""
        return self._domain == local_domain()

    def name(self, tag: str) -> str:
        """The first part of a target's host: `hello`, `v2-hello`.

        Raises:
            HostError: the tag template cannot be rendered.
        """
        try:
            return self.settings.network.tag_name(tag, name_of(self.route))
        except TemplateError as error:
            raise HostError(f"tag-template of config-network: {error}") from error

    def inside(self, tag: str) -> tuple[str, ...]:
        """Every spelling of the target's host inside the cluster."""
        return cluster_local_hosts(self.name(tag), namespace_of(self.route))

    def host(self, tag: str, *, local: bool) -> str:
        """The one host that URLs show.

        Raises:
            HostError: a template gives no host.
        """
        if local or self.local:
            return cluster_local_host(self.name(tag), namespace_of(self.route))
        try:
            host = self.settings.network.host(
                self.name(tag),
                namespace_of(self.route),
                self._domain,
                labels=labels_of(self.route),
                annotations=annotations_of(self.route),
            )
        except TemplateError as error:
            raise HostError(f"domain-template of config-network: {error}") from error
        if not _HOST.match(host) or len(host) > LONGEST_HOST:
            raise HostError(
                f"domain-template of config-network: expected a host name such as "
                f"hello.default.example.com, found {host!r}"
            )
        return host

    def url(self, tag: str, *, local: bool, tls: bool = False) -> str:
        """The URL that a status shows; `tls`: the host is served with a certificate.

        Raises:
            HostError: a template gives no host.
        """
        host = self.host(tag, local=local)
        if local or self.local:
            return f"http://{host}"
        if tls and self.https_port:
            return url_of(host, https_port=self.https_port)
        scheme = self.settings.network.default_external_scheme
        return f"{scheme}://{host}" + ("" if self.port == HTTP_PORT else f":{self.port}")

    @property
    def address(self) -> str:
        """The URL inside the cluster."""
        return f"http://{cluster_local_host(name_of(self.route), namespace_of(self.route))}"

    @property
    def _domain(self) -> str:
        return self.settings.domain.lookup(labels_of(self.route))


def local_tags(
    hosts: Hosts, tags: Iterable[str], placeholder: Callable[[str], Document | None]
) -> frozenset[str]:
    """Those of `tags` that are seen inside the cluster alone: all if the Route is, else those
    whose placeholder Service (found by name) was labelled so by hand.

    Raises:
        HostError: the tag template cannot be rendered.
    """

    def is_local(tag: str) -> bool:
        service = placeholder(hosts.name(tag))
        return bool(service and labels_of(service).get(labels.VISIBILITY))

    return frozenset(tag for tag in tags if hosts.local or is_local(tag))
