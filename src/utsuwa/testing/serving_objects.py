"""Serving objects for tests, as admission and the reconcilers leave them."""

from collections.abc import Callable, Sequence

from utsuwa.kit.documents import Document, copy
from utsuwa.model.children.configuration import revision_of
from utsuwa.model.children.service import configuration_of, route_of
from utsuwa.model.conditions import ConditionSet, finish
from utsuwa.model.defaults import default
from utsuwa.model.kinds import SERVICE
from utsuwa.model.lifecycle import configuration as configuration_lifecycle
from utsuwa.model.lifecycle import revision as revision_lifecycle
from utsuwa.model.lifecycle import route as route_lifecycle
from utsuwa.model.meta import generation_of
from utsuwa.model.settings import Settings
from utsuwa.testing.tables import Stage

NOW = "2023-11-14T22:13:20Z"
"""When a :class:`utsuwa.kit.clock.LoopClock` begins."""
IMAGE = "ex.io/app:1"
LATEST: Document = {"latestRevision": True, "percent": 100}

Marks = Callable[[Document], None]


def a_service(
    name: str = "hello",
    *,
    image: str = IMAGE,
    revision: str = "",
    traffic: Sequence[Document] = (LATEST,),
) -> Document:
    """A Service made by alice; `revision` is the name that its template asks for."""
    template: Document = {"spec": {"containers": [{"image": image}]}}
    if revision:
        template["metadata"] = {"name": revision}
    spec = {"template": template, "traffic": list(traffic)}
    return default(SERVICE.document("default", name, spec=spec), Settings(), user="alice")


def a_status(conditions: ConditionSet, document: Document, *marks: Marks) -> Document:
    """A status of `document` at its present generation, after `marks`."""
    status: Document = {}
    conditions.begin(status, generation_of(document))
    for mark in marks:
        mark(status)
    finish(None, status, generation=generation_of(document), now=NOW)
    return status


async def put_configuration(
    stage: Stage, service: Document, *, created: str = "", ready: str = "", failed: str = ""
) -> Document:
    """The Configuration of a stored Service; without any name it has no status yet."""
    stored = await stage.put(configuration_of(service))

    def names(status: Document) -> None:
        configuration_lifecycle.set_latest_created(status, created)
        if ready:
            configuration_lifecycle.set_latest_ready(status, ready)
        if failed:
            configuration_lifecycle.mark_latest_created_failed(status, created, failed)

    if not created:
        return stored
    status = a_status(configuration_lifecycle.CONDITIONS, stored, names)
    return await stage.cluster.update_status({**stored, "status": status})


async def put_revision(
    stage: Stage,
    configuration: Document,
    *marks: Marks,
    name: str = "",
    state: str = "active",
) -> Document:
    """The Revision of a stored Configuration; `marks` begin from conditions that are Unknown."""
    document = default(revision_of(configuration, NOW), Settings())
    document["metadata"]["name"] = name or document["metadata"]["name"]
    document["metadata"]["labels"]["serving.knative.dev/routingState"] = state
    stored = await stage.put(document)
    status = a_status(revision_lifecycle.CONDITIONS, stored, *marks)
    return await stage.cluster.update_status({**stored, "status": status})


def works(status: Document) -> None:
    """A Revision is ready."""
    revision_lifecycle.CONDITIONS.mark_true(status, revision_lifecycle.RESOURCES_AVAILABLE)
    revision_lifecycle.mark_container_healthy(status)
    status["containerStatuses"] = [{"name": "user-container", "imageDigest": "ex.io/app@sha256:1"}]


def crashes(status: Document) -> None:
    """A Revision's app ends by itself."""
    revision_lifecycle.mark_container_exited(status, 1, "no database")


async def put_route(stage: Stage, service: Document, revision: str = "", *marks: Marks) -> Document:
    """The Route of a stored Service, all of it served by `revision`; "" for no status yet."""
    stored = await stage.put(route_of(service))
    if not revision:
        return stored

    def serve(status: Document) -> None:
        status["url"] = "http://hello.default.example.com"
        status["traffic"] = [{**copy(LATEST), "revisionName": revision}]
        route_lifecycle.mark_traffic_assigned(status)
        route_lifecycle.mark_tls_not_enabled(status)
        route_lifecycle.CONDITIONS.mark_true(status, route_lifecycle.INGRESS_READY)

    status = a_status(route_lifecycle.CONDITIONS, stored, serve, *marks)
    return await stage.cluster.update_status({**stored, "status": status})
