"""The kinds that commands ask for."""

from utsuwa.app.api import Resource
from utsuwa.model.kinds import POD, REVISION, SERVICE, Kind


def _resource(kind: Kind) -> Resource:
    return Resource(kind.api_version, kind.plural)


SERVICES = _resource(SERVICE)
REVISIONS = _resource(REVISION)
PODS = _resource(POD)
