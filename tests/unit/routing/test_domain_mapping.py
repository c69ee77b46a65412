"""Hosts that follow others, certificates and redirects in the table; targets of mappings."""

import pytest

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CORE_SERVICE, DOMAIN_MAPPING, INGRESS, SERVICE
from utsuwa.routing.domain_mapping import UnresolvedError, target_host, target_kind
from utsuwa.routing.entries import hosts_of
from utsuwa.routing.messages import Certificate, HostTable, Split
from utsuwa.routing.table import Table

LOCAL = "hello.default.svc.cluster.local"
DOMAIN = "shop.example.org"


def a_route(*revisions: str) -> list[HostTable]:
    splits = tuple(Split(revision=name, percent=100 // len(revisions)) for name in revisions)
    return [HostTable(host=LOCAL, splits=splits, route="default/hello")]


def a_mapping() -> list[HostTable]:
    return [HostTable(host=DOMAIN, splits=(), route=f"default/{DOMAIN}", follows=LOCAL)]


def test_a_host_that_follows_another_gets_its_splits_whatever_they_become() -> None:
    table = Table("e1")
    table.set_route(f"default/{DOMAIN}", a_mapping())
    delta = table.flush()
    assert delta is not None
    assert delta.hosts == ()
    assert table.leads_nowhere(DOMAIN) == LOCAL
    table.set_route("default/hello", a_route("default/a"))
    for revisions in (("default/a",), ("default/a", "default/b")):
        table.set_route("default/hello", a_route(*revisions))
        delta = table.flush()
        assert delta is not None
        followed = {one.host: one for one in delta.hosts}
        assert followed[DOMAIN].splits == followed[LOCAL].splits
        assert followed[DOMAIN].follows == ""
    assert table.leads_nowhere(DOMAIN) == ""
    assert table.followers_of([LOCAL]) == {f"default/{DOMAIN}"}
    table.set_route("default/hello", [])
    delta = table.flush()
    assert delta is not None
    assert set(delta.removed_hosts) == {LOCAL, DOMAIN}


def test_who_no_longer_follows_is_not_told() -> None:
    table = Table("e1")
    table.set_route("default/hello", a_route("default/a"))
    table.set_route(f"default/{DOMAIN}", a_mapping())
    table.set_route(f"default/{DOMAIN}", [])
    table.flush()
    table.set_route("default/hello", a_route("default/b"))
    delta = table.flush()
    assert delta is not None
    assert [one.host for one in delta.hosts] == [LOCAL]
    assert table.followers_of([LOCAL]) == frozenset()


def test_certificates_are_told_once_and_taken_back() -> None:
    table = Table("e1")
    entry = Certificate("default/shop-tls", b"chain", b"key")
    assert table.set_certificate(entry)
    assert not table.set_certificate(entry)
    delta = table.flush()
    assert delta is not None
    assert delta.certificates == (entry,)
    assert table.snapshot().certificates == (entry,)
    assert table.remove_certificate(entry.name)
    delta = table.flush()
    assert delta is not None
    assert delta.removed_certificates == (entry.name,)


def test_a_key_is_not_shown() -> None:
    """Whatever prints a message: a log, an assertion, an error."""
    assert "key" not in repr(Certificate("default/shop-tls", b"chain", b"key"))


def an_ingress(**spec: object) -> Document:
    path = {"splits": [{"serviceName": "a", "serviceNamespace": "default", "percent": 100}]}
    rules = [
        {"hosts": [LOCAL], "visibility": "ClusterLocal", "http": {"paths": [path]}},
        {"hosts": [DOMAIN], "visibility": "ExternalIP", "http": {"paths": [path]}},
        {"hosts": ["b.example.org"], "visibility": "ExternalIP", "http": {"paths": [path]}},
    ]
    return INGRESS.document("default", "hello", spec={"rules": rules, **spec})


def test_hosts_with_a_certificate_are_redirected_where_that_is_wanted() -> None:
    """Not those inside the cluster, and not those that have no https to go to."""
    tls = [{"hosts": [DOMAIN], "secretName": "shop-tls"}]
    hosts = {one.host: one for one in hosts_of(an_ingress(tls=tls, httpOption="Redirected"))}
    assert {name: one.redirect for name, one in hosts.items()} == {
        LOCAL: False,
        DOMAIN: True,
        "b.example.org": False,
    }
    assert hosts[DOMAIN].certificate == "default/shop-tls"
    assert not any(one.redirect for one in hosts_of(an_ingress(tls=tls)))


def mapping(**reference: str) -> Document:
    return DOMAIN_MAPPING.document("default", DOMAIN, spec={"ref": reference})


def test_a_core_service_is_its_own_address() -> None:
    found = target_host(mapping(kind="Service", name="hello"), CORE_SERVICE, {"metadata": {}})
    assert found == LOCAL


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "no address yet"),
        (f"http://{LOCAL}/path", "without a path"),
        ("http://hello.other.svc.cluster.local", r"http://NAME\.default\.svc"),
        ("http://example.org", r"found http://example\.org"),
    ],
)
def test_a_target_says_why_it_cannot_be_mapped_to(url: str, said: str) -> None:
    target: Document = {"status": {"address": {"url": url}}}
    with pytest.raises(UnresolvedError, match=said):
        target_host(mapping(kind="Service", name="hello"), SERVICE, target)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UnresolvedError, match=r"found example\.org/v1 Widget"):
        target_kind({"apiVersion": "example.org/v1", "kind": "Widget", "name": "x"})
