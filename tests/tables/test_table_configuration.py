"""Configuration → Revision, row by row (`spec/reconcilers.md` §3)."""

import pytest

from utsuwa.cluster.errors import ConflictError, ForbiddenError
from utsuwa.controllers.configuration import ConfigurationReconciler
from utsuwa.controllers.framework import BlockedError
from utsuwa.kit.documents import Document, copy
from utsuwa.model.kinds import CONFIGURATION, REVISION
from utsuwa.testing.resilience import survive
from utsuwa.testing.serving_objects import (
    a_service,
    crashes,
    put_configuration,
    put_revision,
    works,
)
from utsuwa.testing.tables import Failure, Row, Stage, check

pytestmark = pytest.mark.looptime

BUSY = "status Configuration hello Ready=Unknown"
READY = "status Configuration hello Ready=True"
FAILED = "status Configuration hello Ready=False(RevisionFailed)"


async def configured(stage: Stage, **names: str) -> Document:
    service = await stage.put(a_service(revision=names.pop("revision", "")))
    return await put_configuration(stage, service, **names)


async def new(stage: Stage) -> None:
    await configured(stage)


async def first_ready(stage: Stage) -> None:
    await put_revision(stage, await configured(stage, created="hello-00001"), works)


async def first_failed(stage: Stage) -> None:
    await put_revision(stage, await configured(stage, created="hello-00001"), crashes)


async def ready_one_failed(stage: Stage) -> None:
    configuration = await configured(stage, created="hello-00001", ready="hello-00001")
    await put_revision(stage, configuration, crashes)


async def change(stage: Stage, image: str) -> Document:
    changed = copy(await stage.get(CONFIGURATION, "hello"))
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return await stage.cluster.update(changed)


async def newest_fails_middle_ready(stage: Stage) -> None:
    configuration = await configured(stage, created="hello-00001", ready="hello-00001")
    await put_revision(stage, configuration, works)
    await put_revision(stage, await change(stage, "ex.io/app:2"), works)
    await put_revision(stage, await change(stage, "ex.io/app:3"), crashes)


async def latest_not_ready_anymore(stage: Stage) -> None:
    configuration = await configured(stage, created="hello-00002", ready="hello-00002")
    await put_revision(stage, configuration, works)
    stored = await change(stage, "ex.io/app:2")
    await put_revision(stage, stored)
    await stage.cluster.update_status(
        {**stored, "status": {**stored["status"], "observedGeneration": 2}}
    )


async def changed_template(stage: Stage) -> None:
    configuration = await configured(stage, created="hello-00001", ready="hello-00001")
    await put_revision(stage, configuration, works)
    await change(stage, "ex.io/app:2")


async def taken_by_another(stage: Stage) -> None:
    other = await stage.put(a_service("other"))
    await put_revision(stage, await put_configuration(stage, other), works, name="hello-00001")
    await configured(stage)


async def rollback_by_name(stage: Stage) -> None:
    configuration = await configured(
        stage, revision="hello-one", created="hello-one", ready="hello-one"
    )
    await put_revision(stage, configuration, works)
    second = copy(await change(stage, "ex.io/app:2"))
    second["spec"]["template"]["metadata"]["name"] = "hello-two"
    second = await stage.cluster.update(second)
    await put_revision(stage, second, works)
    back = copy(await stage.get(CONFIGURATION, "hello"))
    back["spec"]["template"] = copy(configuration["spec"]["template"])
    stored = await stage.cluster.update(back)
    names = {"latestCreatedRevisionName": "hello-two", "latestReadyRevisionName": "hello-two"}
    await stage.cluster.update_status({**stored, "status": {**stored["status"], **names}})


async def name_with_another_spec(stage: Stage) -> None:
    configuration = await configured(stage, revision="hello-one", created="hello-one")
    await put_revision(stage, configuration, works)
    await change(stage, "ex.io/app:2")


ROWS = [
    Row(
        "a new Configuration gets its first Revision",
        new,
        writes=["create Revision hello-00001", BUSY],
        events=["Normal Created"],
    ),
    Row(
        "its first Revision that is ready makes it ready",
        first_ready,
        writes=[READY],
        events=["Normal ConfigurationReady", "Normal LatestReadyUpdate"],
    ),
    Row(
        "a first Revision that fails is told",
        first_failed,
        writes=[FAILED],
        events=["Warning LatestCreatedFailed"],
    ),
    Row(
        "the latest ready Revision may fail later, and stays the latest ready one",
        ready_one_failed,
        writes=[FAILED],
        events=["Warning LatestReadyFailed"],
    ),
    Row(
        "a changed template gets another Revision",
        changed_template,
        writes=["create Revision hello-00002", BUSY],
        events=["Normal Created"],
    ),
    Row(
        "latest ready moves to one in the middle while the newest fails",
        newest_fails_middle_ready,
        writes=[FAILED],
        events=["Warning LatestCreatedFailed", "Normal LatestReadyUpdate"],
    ),
    Row(
        "latest ready never moves back to an older generation",
        latest_not_ready_anymore,
        writes=[],
    ),
    Row(
        "a name that another object holds is told, and tried again later",
        taken_by_another,
        writes=[FAILED],
        events=["Warning InternalError"],
        raises=BlockedError,
    ),
    Row(
        "going back to a named Revision with the same spec is a rollback",
        rollback_by_name,
        writes=[READY],
        events=["Normal LatestReadyUpdate"],
    ),
    Row(
        "a named Revision with another spec is refused",
        name_with_another_spec,
        writes=[FAILED],
        events=["Warning InternalError"],
        raises=BlockedError,
    ),
    Row(
        "a Revision that the cluster refuses is told on the Configuration",
        new,
        writes=["create Revision hello-00001", FAILED],
        events=["Warning CreationFailed", "Warning InternalError"],
        failures=(Failure("create", REVISION, ForbiddenError("no more revisions")),),
        raises=ForbiddenError,
    ),
    Row(
        "a status that changed under us is written after another look",
        new,
        writes=["create Revision hello-00001", BUSY, BUSY],
        events=["Normal Created"],
        failures=(Failure("update_status", CONFIGURATION, ConflictError("changed")),),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_configuration_rows(row: Row) -> None:
    await check(row, lambda context, stage: ConfigurationReconciler(context))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_configuration_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, lambda context, stage: ConfigurationReconciler(context))


async def test_latest_ready_names_follow_the_rows() -> None:
    """`latestReadyRevisionName` where it matters most."""
    by_rule = {row.rule: row for row in ROWS}
    for rule, name in (
        ("latest ready moves to one in the middle while the newest fails", "hello-00002"),
        ("going back to a named Revision with the same spec is a rollback", "hello-one"),
    ):
        outcome = await check(
            by_rule[rule], lambda context, stage: ConfigurationReconciler(context)
        )
        status = outcome.objects["status Configuration hello"]["status"]
        assert status["latestReadyRevisionName"] == name, rule
