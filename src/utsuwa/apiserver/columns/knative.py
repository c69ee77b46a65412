"""Columns of the Knative kinds, as its published definitions list them (`spec/resources.md` §1)."""

from utsuwa.apiserver.columns.cells import NAME, Column, at, in_one_line
from utsuwa.model.kinds import (
    CERTIFICATE,
    CLOUD_DOMAIN_MAPPING,
    CONFIGURATION,
    DOMAIN_MAPPING,
    INGRESS,
    METRIC,
    POD_AUTOSCALER,
    REVISION,
    ROUTE,
    SERVERLESS_SERVICE,
    SERVICE,
    Kind,
)

_READY = Column("Ready", at(".status.conditions[?(@.type=='Ready')].status"))
_REASON = Column("Reason", at(".status.conditions[?(@.type=='Ready')].reason"))
_MESSAGE = Column(
    "Message",
    in_one_line(at(".status.conditions[?(@.type=='Ready')].message")),
    priority=1,
    urgent=True,
)
"""Why it is not ready, in words: our own addition, out of the way of whoever reads columns."""
_URL = Column("URL", at(".status.url"))
_CREATED = Column("LatestCreated", at(".status.latestCreatedRevisionName"))
_LATEST_READY = Column("LatestReady", at(".status.latestReadyRevisionName"))
_LABEL = r".metadata.labels['serving\.knative\.dev/{}']"


def _number(name: str, path: str) -> Column:
    return Column(name, at(path), type="integer")


KNATIVE: dict[Kind, tuple[Column, ...]] = {
    SERVICE: (NAME, _URL, _CREATED, _LATEST_READY, _READY, _REASON, _MESSAGE),
    CONFIGURATION: (NAME, _CREATED, _LATEST_READY, _READY, _REASON, _MESSAGE),
    ROUTE: (NAME, _URL, _READY, _REASON, _MESSAGE),
    REVISION: (
        NAME,
        Column("Config Name", at(_LABEL.format("configuration"))),
        Column("Generation", at(_LABEL.format("configurationGeneration"))),
        _READY,
        _REASON,
        _number("Actual Replicas", ".status.actualReplicas"),
        _number("Desired Replicas", ".status.desiredReplicas"),
        _MESSAGE,
    ),
    DOMAIN_MAPPING: (NAME, _URL, _READY, _REASON, _MESSAGE),
    CLOUD_DOMAIN_MAPPING: (NAME, Column("Route", at(".spec.routeName")), _URL, _READY, _REASON),
    POD_AUTOSCALER: (
        NAME,
        _number("DesiredScale", ".status.desiredScale"),
        _number("ActualScale", ".status.actualScale"),
        _READY,
        _REASON,
        _MESSAGE,
    ),
    METRIC: (NAME, _READY, _REASON, _MESSAGE),
    SERVERLESS_SERVICE: (
        NAME,
        Column("Mode", at(".spec.mode")),
        _number("Activators", ".spec.numActivators"),
        Column("ServiceName", at(".status.serviceName")),
        Column("PrivateServiceName", at(".status.privateServiceName")),
        _READY,
        _REASON,
        _MESSAGE,
    ),
    INGRESS: (NAME, _READY, _REASON, _MESSAGE),
    CERTIFICATE: (NAME, _READY, _REASON, _MESSAGE),
}
