"""Deployments and ReplicaSets: from a wanted number of replicas to Pods.

Invariant: the Pods of one ReplicaSet are made and removed by one controller alone. Where a
Deployment owns the ReplicaSet that is the Deployment's controller (so that one pass leads from a
new scale to the Pod), elsewhere the ReplicaSet's. The status of every ReplicaSet is written by
the ReplicaSet's controller. Placing and running Pods is the node agent's business.
"""

from utsuwa.controllers.framework import Context, Controller
from utsuwa.controllers.workloads.deployment import LeavingZero, build_deployment
from utsuwa.controllers.workloads.replicaset import build_replicaset
from utsuwa.controllers.workloads.scaling import Make

__all__ = ["build", "build_deployment", "build_replicaset"]


def build(context: Context, make: Make | None, leaving: LeavingZero) -> list[Controller]:
    """Both controllers, with who creates Pods in place of the cluster, and who is given what takes
    a Deployment from zero."""
    return [build_deployment(context, make, leaving), build_replicaset(context, make)]
