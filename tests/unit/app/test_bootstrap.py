from dataclasses import replace

from utsuwa.app.bootstrap import NAMESPACES, Addresses, bootstrap
from utsuwa.cluster.port import Key
from utsuwa.model.kinds import CONFIG_MAP, CORE_SERVICE, NAMESPACE
from utsuwa.model.settings import Settings
from utsuwa.testing.cluster import memory_cluster

ADDRESSES = Addresses("localhost", "127.0.0.1", 8080, 6443)
DOMAIN = Key("knative-serving", "config-domain")


async def test_a_new_cluster_has_its_namespaces_settings_and_gateway() -> None:
    async with memory_cluster() as cluster:
        await bootstrap(cluster, ADDRESSES)
        namespaces = {n["metadata"]["name"] for n in (await cluster.list(NAMESPACE)).items}
        assert set(NAMESPACES) <= namespaces
        maps = (await cluster.list(CONFIG_MAP, "knative-serving")).items
        settings = Settings.parse({m["metadata"]["name"]: m.get("data") or {} for m in maps})
        assert settings.domain.lookup({}) == "localhost"
        gateway = await cluster.get(CORE_SERVICE, Key("istio-system", "istio-ingressgateway"))
        assert gateway["status"]["loadBalancer"]["ingress"] == [{"ip": "127.0.0.1"}]


async def test_a_second_start_writes_nothing() -> None:
    async with memory_cluster() as cluster:
        await bootstrap(cluster, ADDRESSES)
        version = cluster.resource_version
        await bootstrap(cluster, ADDRESSES)
        assert cluster.resource_version == version


async def test_what_an_operator_has_edited_stays() -> None:
    async with memory_cluster() as cluster:
        await bootstrap(cluster, ADDRESSES)
        key = Key("knative-serving", "config-autoscaler")
        await cluster.merge(CONFIG_MAP, key, {"data": {"stable-window": "20s"}})
        await cluster.merge(CONFIG_MAP, DOMAIN, {"data": {"apps.example.org": ""}})
        await bootstrap(cluster, ADDRESSES)
        assert (await cluster.get(CONFIG_MAP, key))["data"] == {"stable-window": "20s"}
        assert set((await cluster.get(CONFIG_MAP, DOMAIN))["data"]) == {
            "localhost", "apps.example.org",
        }  # fmt: skip


async def test_another_domain_at_the_next_start_takes_the_place_of_the_last_one() -> None:
    async with memory_cluster() as cluster:
        await bootstrap(cluster, ADDRESSES)
        await bootstrap(cluster, replace(ADDRESSES, domain="example.com"))
        assert (await cluster.get(CONFIG_MAP, DOMAIN))["data"] == {"example.com": ""}


async def test_the_gateways_address_follows_what_could_be_bound() -> None:
    async with memory_cluster() as cluster:
        await bootstrap(cluster, ADDRESSES)
        await bootstrap(cluster, replace(ADDRESSES, gateway_ip="127.0.0.2", gateway_port=9000))
        gateway = await cluster.get(CORE_SERVICE, Key("istio-system", "istio-ingressgateway"))
        assert gateway["status"]["loadBalancer"]["ingress"] == [{"ip": "127.0.0.2"}]
        assert gateway["spec"]["ports"][0]["nodePort"] == 9000


async def test_the_gateways_service_says_where_tls_is_spoken() -> None:
    """Clients that look up port 443 there find the port on loopback."""
    async with memory_cluster() as cluster:
        await bootstrap(cluster, replace(ADDRESSES, https_port=8443))
        gateway = await cluster.get(CORE_SERVICE, Key("istio-system", "istio-ingressgateway"))
        found = [(p["name"], p["port"], p["nodePort"]) for p in gateway["spec"]["ports"]]
        assert found == [("http2", 80, 8080), ("https", 443, 8443)]
