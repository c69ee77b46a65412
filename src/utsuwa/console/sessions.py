"""Who is signed in: links that let in once, and sessions behind a cookie.

Only digests are kept of what proves a session, in a file that its owner alone can read, so that a
restart of control signs nobody out. A session that began with a bearer token ends with it.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from utsuwa.apiserver import User, write_private
from utsuwa.kit.clock import Clock
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)

LINK_LIFE = 3600.0
"""Seconds for which a link lets in, once."""
SESSION_LIFE = 7 * 86400.0
MOST = 1000
"""Links, and sessions, that are kept; the oldest go."""


class Pass(msgspec.Struct):
    """Lets somebody in until `expires`; `proof` is the bearer token that he came with, or ""."""

    name: str
    groups: tuple[str, ...]
    uid: str
    extra: tuple[tuple[str, tuple[str, ...]], ...]
    proof: str
    expires: float

    @property
    def user(self) -> User:
        """Whom it lets in."""
        return User(self.name, self.groups, self.uid, self.extra)


class _File(msgspec.Struct):
    links: dict[str, Pass] = {}
    sessions: dict[str, Pass] = {}


class Sessions:
    """Mutable state: `_kept`, by digest; written to the file after every change."""

    def __init__(self, path: Path, clock: Clock, is_good: Callable[[str], bool]) -> None:
        """`is_good`: whether a bearer token still is."""
        self._path = path
        self._clock = clock
        self._is_good = is_good
        self._kept = _read(path)
        self._writing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Sessions {len(self._kept.sessions)}, links {len(self._kept.links)}>"

    def link(self, user: User, proof: str = "") -> str:
        """The secret of a new link for `user`."""
        return self._add(self._kept.links, user, proof, LINK_LIFE)

    def redeem(self, secret: str) -> str | None:
        """The secret of a new session for a link's; None when that is used, unknown or old."""
        found = self._kept.links.pop(_digest(secret), None)
        if found is None or not self._holds(found):
            return None
        return self.begin(found.user, found.proof)

    def begin(self, user: User, proof: str = "") -> str:
        """The secret of a new session for `user`."""
        return self._add(self._kept.sessions, user, proof, SESSION_LIFE)

    def user(self, secret: str) -> User | None:
        """Whose session it is; None when there is none (any more)."""
        found = self._kept.sessions.get(_digest(secret))
        return found.user if found is not None and self._holds(found) else None

    def end(self, secret: str) -> None:
        """Sign out."""
        self._kept.sessions.pop(_digest(secret), None)

    async def save(self) -> None:
        """Write the file; the log says so when that fails."""
        async with self._writing:
            data = msgspec.json.encode(self._kept)
            try:
                await asyncio.to_thread(write_private, self._path, data)
            except OSError as error:
                _log.warning("sessions of the console are not kept", file=self._path, reason=error)

    def _add(self, group: dict[str, Pass], user: User, proof: str, life: float) -> str:
        now = self._clock.now()
        for digest in [digest for digest, one in group.items() if one.expires <= now]:
            del group[digest]
        while len(group) >= MOST:
            del group[next(iter(group))]
        secret = secrets.token_urlsafe(32)
        expires = now + life
        group[_digest(secret)] = Pass(user.name, user.groups, user.uid, user.extra, proof, expires)
        return secret

    def _holds(self, one: Pass) -> bool:
        return one.expires > self._clock.now() and (not one.proof or self._is_good(one.proof))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(path: Path) -> _File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return _File()
    except (OSError, msgspec.MsgspecError) as error:
        _log.warning("sessions of the console begin anew", file=path, reason=error)
        return _File()
