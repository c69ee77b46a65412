"""What the console does passes the rights and the admission of every other client."""

import pytest

from utsuwa.apiserver import User
from utsuwa.apiserver.ports import Review
from utsuwa.cluster.errors import ApiError, ForbiddenError, InvalidError
from utsuwa.cluster.port import Key
from utsuwa.console.acting import Acting
from utsuwa.kit.documents import Document
from utsuwa.model.builtin_roles import MASTERS
from utsuwa.model.kinds import CONFIG_MAP, POD
from utsuwa.testing.console import Browsing

ADMIN = User("admin", (MASTERS,))
BOB = User("bob", ())
KEY = Key("default", "settings")


def a_map(**data: str) -> Document:
    return CONFIG_MAP.document("default", "settings", data=data)


async def test_who_may_write_writes(open_console: Browsing) -> None:
    acting = Acting(open_console.api.server, ADMIN)
    await acting.create(CONFIG_MAP, a_map(a="1"))
    await acting.patch(CONFIG_MAP, KEY, {"data": {"a": "2"}})
    stored = await acting.get(CONFIG_MAP, KEY)
    assert stored["data"] == {"a": "2"}
    await acting.replace(CONFIG_MAP, {**stored, "data": {"b": "3"}})
    assert [one["data"] for one in await acting.list(CONFIG_MAP, "default")] == [{"b": "3"}]
    await acting.delete(CONFIG_MAP, KEY)
    assert await acting.list(CONFIG_MAP, "default") == []


async def test_a_dry_run_changes_nothing(open_console: Browsing) -> None:
    acting = Acting(open_console.api.server, ADMIN)
    done = await acting.create(CONFIG_MAP, a_map(a="1"), dry_run=True)
    assert done.document["data"] == {"a": "1"}
    assert await acting.list(CONFIG_MAP, "default") == []


async def test_who_may_not_is_refused_in_the_words_of_the_api(open_console: Browsing) -> None:
    acting = Acting(open_console.api.server, BOB)
    with pytest.raises(ForbiddenError, match='User "bob" cannot create resource "configmaps"'):
        await acting.create(CONFIG_MAP, a_map())
    with pytest.raises(ForbiddenError):
        await acting.list(CONFIG_MAP)


async def test_admission_decides_here_too(open_console: Browsing) -> None:
    def refuse(review: Review) -> tuple[Document, tuple[str, ...]]:
        raise InvalidError(f"{review.user.name} may not have it")

    open_console.api.admit(refuse)
    with pytest.raises(InvalidError, match="admin may not have it"):
        await Acting(open_console.api.server, ADMIN).create(CONFIG_MAP, a_map())


async def test_what_is_no_answer_but_a_stream_is_not_had_here(open_console: Browsing) -> None:
    acting = Acting(open_console.api.server, ADMIN)
    with pytest.raises(ApiError):
        await acting.list(CONFIG_MAP, query={"watch": "true"})
    with pytest.raises(ApiError):
        await acting.get(POD, KEY, "log")
