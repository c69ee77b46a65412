"""Deployments and ReplicaSets: from a wanted number of replicas to Pods.

Invariant: the Pods of one ReplicaSet are made and removed by one controller alone. Where a
Deployment owns the ReplicaSet that is the Deployment's controller (so that one pass leads from a
new scale to the Pod), elsewhere the ReplicaSet's. The status of every ReplicaSet is written by
the ReplicaSet's controller. Placing and running Pods is the node agent's business.
"""

from utsuwa.controllers.workloads.deployment import build_deployment
from utsuwa.controllers.workloads.replicaset import build_replicaset

__all__ = ["build_deployment", "build_replicaset"]
