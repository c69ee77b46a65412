"""Nobody is let in on loopback alone, and only where that was asked for."""

from pathlib import Path
from typing import cast

import pytest

from utsuwa.apiserver.authentication import Authentication
from utsuwa.apiserver.issued_tokens import IssuedTokens
from utsuwa.apiserver.service_tokens import ServiceTokens
from utsuwa.apiserver.status import UnauthorizedError
from utsuwa.model import builtin_roles
from utsuwa.testing.apiserver import serving

MAPS = "/api/v1/namespaces/default/configmaps"
NO_TOKENS = cast(ServiceTokens, None), cast(IssuedTokens, None)
"""They are not asked when there is no bearer token."""


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
def test_nobody_is_let_in_on_loopback(peer: str) -> None:
    """As `system:anonymous`, with the rights that were given to that name."""
    user = Authentication(*NO_TOKENS, anonymous=True).user(None, {}, peer)
    assert (user.name, user.groups) == (
        builtin_roles.ANONYMOUS,
        (builtin_roles.UNAUTHENTICATED,),
    )


@pytest.mark.parametrize("peer", ["192.168.1.7", "10.0.0.1", "::ffff:8.8.8.8", "fe80::1", ""])
def test_nobody_is_let_in_from_elsewhere(peer: str) -> None:
    """Not even when anonymous calls are on."""
    with pytest.raises(UnauthorizedError):
        Authentication(*NO_TOKENS, anonymous=True).user(None, {}, peer)


def test_nobody_is_let_in_unless_asked_for() -> None:
    """Off by default."""
    with pytest.raises(UnauthorizedError):
        Authentication(*NO_TOKENS).user(None, {}, "127.0.0.1")


async def test_over_http_nobody_may_do_what_it_was_given(tmp_path: Path) -> None:
    """403 before, 200 after its name is bound to a role."""
    async with serving(tmp_path, anonymous=True) as api, api.session() as session:
        async with session.get(MAPS) as answer:
            assert answer.status == 403
            assert builtin_roles.ANONYMOUS in (await answer.json())["message"]
        subject = {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "User",
            "name": builtin_roles.ANONYMOUS,
        }  # fmt: skip
        await api.cluster.create(builtin_roles.binding("test", "view", [subject]))
        async with session.get(MAPS) as answer:
            assert answer.status == 200
