"""The status of a Service (`spec/reconcilers.md` §2)."""

from typing import Any

from utsuwa.kit.documents import Document
from utsuwa.model.conditions import READY, ConditionSet, condition

CONFIGURATIONS_READY = "ConfigurationsReady"
ROUTES_READY = "RoutesReady"
CONDITIONS = ConditionSet((CONFIGURATIONS_READY, ROUTES_READY))

_CONFIGURATION_FIELDS = ("latestCreatedRevisionName", "latestReadyRevisionName")
_ROUTE_FIELDS = ("url", "address", "traffic")


def mark_configuration_not_owned(status: Document, name: str) -> None:
    """A Configuration of our name belongs to someone else."""
    CONDITIONS.mark_false(status, CONFIGURATIONS_READY, "NotOwned", _foreign("Configuration", name))


def mark_route_not_owned(status: Document, name: str) -> None:
    """A Route of our name belongs to someone else."""
    CONDITIONS.mark_false(status, ROUTES_READY, "NotOwned", _foreign("Route", name))


def mark_configuration_out_of_date(status: Document) -> None:
    """The Configuration has not been reconciled since we changed it."""
    CONDITIONS.mark_unknown(
        status,
        CONFIGURATIONS_READY,
        "OutOfDate",
        "The Configuration has not taken up the latest specification yet.",
    )


def mark_route_out_of_date(status: Document) -> None:
    """The Route has not been reconciled since we changed it."""
    CONDITIONS.mark_unknown(
        status,
        ROUTES_READY,
        "OutOfDate",
        "The Route has not taken up the latest specification yet.",
    )


def propagate_configuration(status: Document, configuration: Document) -> None:
    """Copy revision names and Ready of the Configuration."""
    _propagate(status, configuration, CONFIGURATIONS_READY, _CONFIGURATION_FIELDS)


def mark_revision_name_taken(status: Document, name: str) -> None:
    """The revision name that the template asks for is in use for something else."""
    CONDITIONS.mark_false(
        status,
        ROUTES_READY,
        "RevisionNameTaken",
        f'The revision name "{name}" is taken by another Revision, so traffic stays where it is: '
        "choose another spec.template.metadata.name.",
    )


def propagate_route(status: Document, route: Document) -> None:
    """Copy url, address, traffic and Ready of the Route."""
    _propagate(status, route, ROUTES_READY, _ROUTE_FIELDS)


def mark_traffic_not_migrated(status: Document) -> None:
    """The Route is ready, but not with the traffic that its spec asks for."""
    CONDITIONS.mark_unknown(
        status,
        ROUTES_READY,
        "TrafficNotMigrated",
        "Traffic does not go to the latest revision yet.",
    )


def _propagate(status: Document, child: Document, type_: str, fields: tuple[str, ...]) -> None:
    source: dict[str, Any] = child.get("status") or {}
    for field in fields:
        if source.get(field):
            status[field] = source[field]
        else:
            status.pop(field, None)
    ready = condition(source, READY)
    if ready is not None:
        CONDITIONS.copy(status, type_, ready)


def _foreign(kind: str, name: str) -> str:
    return f'A {kind} "{name}" exists that does not belong to this Service: rename or delete it.'
