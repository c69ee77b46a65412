"""Paths by tag header (`spec/dataplane.md` §10)."""

import pytest

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import ROUTE
from utsuwa.model.settings import Settings
from utsuwa.routing.entries import hosts_of
from utsuwa.routing.hosts import Hosts
from utsuwa.routing.ingress import ingress_of
from utsuwa.routing.traffic import DEFAULT, Target, Traffic

ROUTED = Traffic(
    targets=(Target("hello-1", 100), Target("hello-2", 0, tag="next")),
    references=frozenset(),
    hosts={DEFAULT: (Target("hello-1", 100),), "next": (Target("hello-2", 100, tag="next"),)},
)


def ingress(flag: str) -> Document:
    settings = Settings.parse(
        {
            "config-domain": {"example.com": ""},
            "config-features": {"tag-header-based-routing": flag},
        }
    )
    hosts = Hosts(ROUTE.document("default", "hello"), settings, 80)
    return ingress_of(hosts, ROUTED, (), {})


@pytest.mark.parametrize("flag", ["Enabled", "Disabled"])
def test_the_default_host_has_a_path_for_each_tag_if_the_operator_wants_it(flag: str) -> None:
    """Before the default path, which then says that it is the default."""
    found = {table.host: table for table in hosts_of(ingress(flag))}
    default, tagged = found["hello.default.example.com"], found["next-hello.default.example.com"]
    if flag == "Disabled":
        assert (default.tagged, default.splits[0].headers, tagged.splits[0].headers) == ((), (), ())
        return
    assert [(one.tag, one.splits[0].revision) for one in default.tagged] == [
        ("next", "default/hello-2")
    ]
    assert default.splits[0].headers == (("Knative-Serving-Default-Route", "true"),)
    assert default.tagged[0].splits[0].headers == ()
    assert tagged.splits[0].headers == (("Knative-Serving-Tag", "next"),)
