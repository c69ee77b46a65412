"""Control's side of the data plane: the link to the gateways, the table, the Ingress status."""

from utsuwa.controllers.dataplane.controller import DataPlane
from utsuwa.controllers.dataplane.link import LinkServer, StatsSink

__all__ = ["DataPlane", "LinkServer", "StatsSink"]
