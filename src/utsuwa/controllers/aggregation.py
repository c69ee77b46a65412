"""ClusterRoles that gather the rules of others: `admin`, `edit` and `view`, and whoever says so.

A role with an `aggregationRule` has the rules of all ClusterRoles that its selectors select, and
nothing else; whatever somebody writes into its `rules` is replaced (as Kubernetes does it).
"""

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import Informer, key_of
from utsuwa.cluster.port import Cluster, Key
from utsuwa.controllers.framework import Context, Controller
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CLUSTER_ROLE
from utsuwa.model.rights import aggregated


class Aggregation:
    """Writes the gathered rules into one role."""

    def __init__(self, cluster: Cluster, roles: Informer) -> None:
        self._cluster = cluster
        self._roles = roles

    def affected(self, _: Document) -> list[Key]:
        """Every role that gathers: a change of any role may be one to them."""
        return [key_of(role) for role in self._roles.list() if "aggregationRule" in role]

    async def reconcile(self, key: Key) -> float | None:
        """One pass over one role."""
        try:
            role = await self._cluster.get(CLUSTER_ROLE, key)
        except NotFoundError:
            return None
        everything = await self._cluster.list(CLUSTER_ROLE)
        rules = aggregated(role, everything.items)
        if rules is not None and rules != (role.get("rules") or []):
            await self._cluster.update({**role, "rules": rules})
        return None


def build(context: Context) -> Controller:
    """The controller of ClusterRoles that gather."""
    roles = context.informers.of(CLUSTER_ROLE)
    reconciler = Aggregation(context.cluster, roles)
    controller = Controller("aggregation", reconciler, workers=1)
    controller.watch(roles, reconciler.affected)
    return controller
