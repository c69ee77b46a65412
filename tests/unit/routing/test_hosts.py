"""The names of a Route's targets (`spec/reconcilers.md` §5.3, §5.4; `spec/config.md` §6.1)."""

import pytest

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CORE_SERVICE, ROUTE
from utsuwa.model.settings import Settings
from utsuwa.routing.hosts import HostError, Hosts, local_tags

EXAMPLE = {"config-domain": {"example.com": ""}}


def hosts(maps: dict[str, dict[str, str]], *, port: int = 80, **labels: str) -> Hosts:
    route = ROUTE.document("default", "hello")
    route["metadata"]["labels"] = {key.replace("_", "-"): value for key, value in labels.items()}
    return Hosts(route, Settings.parse(maps), port)


def local(found: Hosts) -> Hosts:
    found.route["metadata"]["labels"]["networking.knative.dev/visibility"] = "cluster-local"
    return found


@pytest.mark.parametrize(
    ("template", "host", "tagged"),
    [
        (
            "{{.Name}}.{{.Namespace}}.{{.Domain}}",
            "hello.default.example.com",
            "v2-hello.default.example.com",
        ),
        (
            "{{.Name}}-{{.Namespace}}.{{.Domain}}",
            "hello-default.example.com",
            "v2-hello-default.example.com",
        ),
    ],
)
def test_hosts_follow_the_operators_template(template: str, host: str, tagged: str) -> None:
    """The worked examples of config.md §6.1."""
    found = hosts({**EXAMPLE, "config-network": {"domain-template": template}})
    assert found.host("", local=False) == host
    assert found.host("v2", local=False) == tagged


def test_a_tags_host_follows_the_operators_template() -> None:
    """Its outcome is what the domain's template knows as the name."""
    network = {
        "tag-template": "{{.Name}}--{{.Tag}}",
        "domain-template": "{{.Name}}.{{.Namespace}}.{{.Domain}}",
    }
    found = hosts({**EXAMPLE, "config-network": network})
    assert found.host("v2", local=False) == "hello--v2.default.example.com"
    assert found.host("", local=False) == "hello.default.example.com"


def test_without_any_domain_everything_is_cluster_local() -> None:
    """The domain is then `svc.cluster.local`."""
    found = hosts({})
    assert found.local
    assert found.url("v2", local=False) == "http://v2-hello.default.svc.cluster.local"


def test_a_label_makes_a_route_cluster_local() -> None:
    """Whatever the operator's domains and templates are."""
    found = local(hosts(EXAMPLE))
    assert found.url("", local=False) == found.address


def test_the_gateways_port_is_part_of_outside_urls_alone() -> None:
    """Unless it is the one that HTTP assumes."""
    found = hosts(EXAMPLE, port=8080)
    assert found.url("", local=False) == "http://hello.default.example.com:8080"
    assert found.host("", local=False) == "hello.default.example.com"
    assert found.address == "http://hello.default.svc.cluster.local"


def test_the_most_specific_domain_wins() -> None:
    """Chosen by the Route's labels."""
    maps = {"config-domain": {"example.com": "", "paid.example.com": "selector: {tier: paid}"}}
    assert hosts(maps, tier="paid").host("", local=False) == "hello.default.paid.example.com"


def test_a_template_that_gives_no_host_is_refused_by_name() -> None:
    """The message says which setting and what came out."""
    template = '{{.Name}}.{{index .Annotations "sub"}}.{{.Domain}}'
    found = hosts({**EXAMPLE, "config-network": {"domain-template": template}})
    with pytest.raises(HostError, match=r"domain-template .*hello\.\.example\.com"):
        found.host("", local=False)


def test_a_tag_is_local_when_its_placeholder_was_labelled_by_hand() -> None:
    """And no other tag is."""
    service = CORE_SERVICE.document("default", "v2-hello")
    service["metadata"]["labels"] = {"networking.knative.dev/visibility": "cluster-local"}

    def lookup(name: str) -> Document | None:
        return service if name == "v2-hello" else None

    assert local_tags(hosts(EXAMPLE), ("", "v1", "v2"), lookup) == {"v2"}


def test_every_tag_of_a_local_route_is_local() -> None:
    """The Route's own visibility comes first."""
    assert local_tags(local(hosts(EXAMPLE)), ("", "v1"), lambda name: None) == {"", "v1"}
