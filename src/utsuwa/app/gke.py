"""The GKE control API, wired: what it is told of this cluster, and whom it lets in."""

import base64

from utsuwa.apiserver import Authentication, Authority
from utsuwa.app.options import Layout
from utsuwa.cluster.port import Cluster, Key
from utsuwa.gke import Facts, GkeApi, Records, Rights
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.ids import Ids
from utsuwa.kit.units import parse_quantity
from utsuwa.model.builtin_roles import MASTERS
from utsuwa.model.kinds import NODE


def build(
    cluster: Cluster,
    *,
    layout: Layout,
    authentication: Authentication,
    endpoint: str,
    node_name: str,
    clock: Clock,
    ids: Ids,
) -> GkeApi:
    """The control API of the cluster that answers at `endpoint`, port 443."""

    async def facts() -> Facts:
        node = await cluster.get(NODE, Key("", node_name))
        return facts_of(Authority.open(layout.pki, clock), endpoint, node)

    def rights(token: str) -> Rights:
        proven = authentication.proven(token)
        if proven is None:
            return Rights.NONE
        return Rights.ALL if MASTERS in proven.user.groups else Rights.SOME

    return GkeApi(Records(cluster), facts, rights=rights, clock=clock, ids=ids)


def facts_of(authority: Authority, endpoint: str, node: Document) -> Facts:
    """The cluster as it is: this machine's real size, the administrator's certificate."""
    admin = authority.admin()
    capacity = dig(node, "status", "capacity", default={})
    return Facts(
        endpoint=endpoint,
        authority=_base64(authority.trusted),
        certificate=_base64(admin.certificate),
        key=_base64(admin.key),
        version=str(dig(node, "status", "nodeInfo", "kubeletVersion", default="")).lstrip("v"),
        cpus=int(parse_quantity(capacity.get("cpu", "1"))),
        memory_mib=int(parse_quantity(capacity.get("memory", "0"))) >> 20,
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
