"""The ServiceAccount `default` of each Namespace."""

import pytest

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context
from utsuwa.controllers.serviceaccounts import ServiceAccountReconciler
from utsuwa.model.kinds import NAMESPACE, SERVICE_ACCOUNT
from utsuwa.testing.tables import Row, Stage, check

pytestmark = pytest.mark.looptime


class InNamespace:
    """Looks at the Namespace of the row's name."""

    def __init__(self, context: Context) -> None:
        self._inner = ServiceAccountReconciler(context)

    async def reconcile(self, key: Key) -> float | None:
        return await self._inner.reconcile(Key("", key.name))


def make(context: Context, stage: Stage) -> InNamespace:
    return InNamespace(context)


async def a_namespace(stage: Stage) -> None:
    await stage.put(NAMESPACE.document("", "shop"))


async def with_account(stage: Stage) -> None:
    await a_namespace(stage)
    await stage.put(SERVICE_ACCOUNT.document("shop", "default"))


async def nothing(stage: Stage) -> None:
    with pytest.raises(NotFoundError):
        await stage.cluster.get(NAMESPACE, Key("", "shop"))


@pytest.mark.parametrize(
    "row",
    [
        Row(
            "a new Namespace gets one", a_namespace, ["create ServiceAccount default"], name="shop"
        ),
        Row("one that is there stays", with_account, name="shop"),
        Row("a Namespace that is gone gets none", nothing, name="shop"),
    ],
    ids=lambda row: row.rule,
)
async def test_accounts(row: Row) -> None:
    await check(row, make)
