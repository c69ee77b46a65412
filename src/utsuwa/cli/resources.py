"""The kinds that commands ask for."""

from utsuwa.app.api import Resource
from utsuwa.model.kinds import (
    CLUSTER_ROLE_BINDING,
    NODE,
    POD,
    POD_AUTOSCALER,
    REVISION,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    Kind,
)


def _resource(kind: Kind) -> Resource:
    return Resource(kind.api_version, kind.plural)


NODES = _resource(NODE)
SERVICES = _resource(SERVICE)
REVISIONS = _resource(REVISION)
PODS = _resource(POD)
POD_AUTOSCALERS = _resource(POD_AUTOSCALER)
SECRETS = _resource(SECRET)
ROLE_BINDINGS = _resource(ROLE_BINDING)
CLUSTER_ROLE_BINDINGS = _resource(CLUSTER_ROLE_BINDING)
