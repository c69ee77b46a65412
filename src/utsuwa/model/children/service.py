"""The Configuration and the Route of a Service (`spec/reconcilers.md` §2.1)."""

from utsuwa.kit.documents import Document, copy, dig
from utsuwa.model import labels
from utsuwa.model.children.parts import child, kept
from utsuwa.model.kinds import CONFIGURATION, ROUTE
from utsuwa.model.meta import annotations_of, labels_of, name_of, uid_of


def configuration_of(service: Document, existing: Document | None = None) -> Document:
    """The Configuration: the template as it is. Routes that other hands have noted on `existing`
    are kept."""
    name = name_of(service)
    routes = labels.split_routes(annotations_of(existing or {}).get(labels.ROUTES, ""))
    dropped = (labels.LAST_APPLIED, *labels.ROLLOUT_DURATION.keys)
    return child(
        service,
        CONFIGURATION,
        name,
        labels={
            **labels_of(service),
            labels.SERVICE: name,
            labels.SERVICE_UID: uid_of(service),
        },
        annotations={
            **kept(annotations_of(service), dropped),
            labels.ROUTES: labels.join_routes([*routes, name]),
        },
        spec={"template": copy(dig(service, "spec", "template", default={}))},
    )


def route_of(service: Document) -> Document:
    """The Route: targets that name no Revision follow the Configuration."""
    name = name_of(service)
    traffic = [
        dict(target) if target.get("revisionName") else {**target, "configurationName": name}
        for target in dig(service, "spec", "traffic", default=())
    ]
    return child(
        service,
        ROUTE,
        name,
        labels={**labels_of(service), labels.SERVICE: name},
        annotations=kept(annotations_of(service), (labels.LAST_APPLIED,)),
        spec={"traffic": traffic},
    )
