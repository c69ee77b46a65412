"""Links let in once; sessions last, and end with what they rest on."""

from pathlib import Path

import pytest

from utsuwa.apiserver import User
from utsuwa.console.sessions import LINK_LIFE, SESSION_LIFE, Sessions

ALICE = User("alice", ("developers",))


class Clock:
    time = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class Setting:
    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.good = {"token"}
        self.path = path / "console.json"

    def sessions(self) -> Sessions:
        return Sessions(self.path, self.clock, lambda token: token in self.good)


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def test_a_link_lets_in_once(setting: Setting) -> None:
    sessions = setting.sessions()
    link = sessions.link(ALICE)
    session = sessions.redeem(link)
    assert session is not None
    assert sessions.user(session) == ALICE
    assert sessions.redeem(link) is None


def test_a_link_grows_old(setting: Setting) -> None:
    sessions = setting.sessions()
    link = sessions.link(ALICE)
    setting.clock.time += LINK_LIFE
    assert sessions.redeem(link) is None


def test_a_session_ends_with_its_time(setting: Setting) -> None:
    sessions = setting.sessions()
    session = sessions.begin(ALICE)
    setting.clock.time += SESSION_LIFE - 1
    assert sessions.user(session) == ALICE
    setting.clock.time += 1
    assert sessions.user(session) is None


def test_a_session_ends_when_its_token_is_revoked(setting: Setting) -> None:
    sessions = setting.sessions()
    session = sessions.begin(ALICE, "token")
    assert sessions.user(session) == ALICE
    setting.good.clear()
    assert sessions.user(session) is None


def test_signing_out_ends_it(setting: Setting) -> None:
    sessions = setting.sessions()
    session = sessions.begin(ALICE)
    sessions.end(session)
    assert sessions.user(session) is None


async def test_sessions_survive_a_restart_and_the_file_does_not_give_them_away(
    setting: Setting,
) -> None:
    before = setting.sessions()
    session, link = before.begin(ALICE), before.link(ALICE)
    await before.save()
    assert setting.path.stat().st_mode & 0o077 == 0
    text = setting.path.read_text()
    assert session not in text
    assert link not in text
    after = setting.sessions()
    assert after.user(session) == ALICE
    assert after.redeem(link) is not None


def test_a_damaged_file_signs_everybody_out_and_no_more(setting: Setting) -> None:
    setting.path.write_text("{")
    sessions = setting.sessions()
    assert sessions.user(sessions.begin(ALICE)) == ALICE
