"""The file of the history: it survives, stays bounded, and is never missed when it is gone."""

import os
from pathlib import Path

import pytest

from utsuwa.app.history.file import Asked, Batch, HistoryFile, Kept, Name
from utsuwa.series import MINUTE, SECOND, Block, Life, Mark, Point, fold

NOW = 1_700_000_000
WEB = Name("default", "web-00001", "web")
ALL = Asked("default", "web", "", SECOND, 0, NOW + 100)
BUSY = Point(s2=10, ready=1)


def block(start: int = NOW, *, step: int = SECOND, life: int = 0, points: int = 3) -> Block:
    made = Block(step, start, life)
    for number in range(points):
        made.put(start + number * step, BUSY)
    return made


def batch(*blocks: Block, now: float = NOW, marks: tuple[Mark, ...] = ()) -> Batch:
    return Batch(now, [(WEB, one) for one in blocks], [(WEB, mark) for mark in marks])


async def kept(file: HistoryFile, asked: Asked = ALL) -> Kept:
    return await file.read(asked)


async def times(file: HistoryFile, asked: Asked = ALL) -> list[int]:
    found = (await kept(file, asked)).blocks.get("web-00001", [])
    return list(fold(found, 0, asked.until))


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    """Blocks and marks, by service and by revision."""
    file = HistoryFile(tmp_path / "history.db")
    file.start()
    file.write(batch(block(), marks=(Mark(NOW + 1.5, "panic", "web-00001", "why"),)))
    await file.close()
    again = HistoryFile(tmp_path / "history.db")
    again.start()
    assert await times(again) == [NOW, NOW + 1, NOW + 2]
    assert await times(again, ALL._replace(service="", revision="web-00001")) != []
    assert await times(again, ALL._replace(service="other")) == []
    assert (await kept(again)).marks == [Mark(NOW + 1.5, "panic", "web-00001", "why")]
    await again.close()
    assert (tmp_path / "history.db").stat().st_mode & 0o777 == 0o600


async def test_seconds_are_kept_for_an_hour_and_minutes_for_a_week(tmp_path: Path) -> None:
    """What is older goes with the next batch."""
    file = HistoryFile(tmp_path / "history.db")
    file.start()
    file.write(batch(block(), block(step=MINUTE)))
    file.write(batch(now=NOW + 2 * 3600))
    assert await times(file) == []
    assert await times(file, ALL._replace(step=MINUTE)) != []
    file.write(batch(now=NOW + 8 * 24 * 3600))
    assert await times(file, ALL._replace(step=MINUTE)) == []
    await file.close()


async def test_at_its_limit_the_oldest_goes(tmp_path: Path) -> None:
    """And the newest stays."""
    file = HistoryFile(tmp_path / "history.db", limit=200_000)
    file.start()
    for number in range(3000):
        start = NOW + number * 3600
        file.write(batch(block(start, step=MINUTE, points=30), now=NOW))
    until = NOW + 3000 * 3600
    found = await times(file, Asked("default", "web", "", MINUTE, 0, until))
    assert NOW + 2999 * 3600 in found
    assert NOW not in found
    await file.close()
    assert (tmp_path / "history.db").stat().st_size < 400_000


async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line in the log, and nothing that anybody has to do."""
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database" * 1000)
    file = HistoryFile(path)
    file.start()
    file.write(batch(block()))
    assert await times(file) == [NOW, NOW + 1, NOW + 2]
    await file.close()
    assert path.with_name("history.db.broken").read_bytes().startswith(b"this is no database")
    assert [r.getMessage() for r in caplog.records] == [
        "the history could not be read and begins anew"
    ]


async def test_a_damaged_block_is_damage_too(tmp_path: Path) -> None:
    """SQLite cannot see it; we do, and begin anew."""
    import sqlite3

    path = tmp_path / "history.db"
    file = HistoryFile(path)
    file.start()
    file.write(batch(block()))
    await times(file)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE blocks SET body = x'00'")
    other.close()
    assert await times(file) == []
    await file.close()
    assert path.with_name("history.db.broken").exists()


async def test_it_may_be_deleted_while_it_is_in_use(tmp_path: Path) -> None:
    """What comes after that goes into a new one."""
    path = tmp_path / "history.db"
    file = HistoryFile(path)
    file.start()
    file.write(batch(block()))
    await times(file)
    path.unlink()
    file.write(batch(block(NOW + 10)))
    assert await times(file) == [NOW + 10, NOW + 11, NOW + 12]
    await file.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_where_nothing_can_be_written_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And nobody else notices."""
    tmp_path.chmod(0o500)
    file = HistoryFile(tmp_path / "history.db")
    file.start()
    file.write(batch(block()))
    file.write(batch(block()))
    assert await times(file) == []
    await file.close()
    tmp_path.chmod(0o700)
    assert [r.getMessage() for r in caplog.records] == ["the history is not being kept"]


async def test_a_directory_in_its_place_is_no_reason_to_fail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says that nothing is kept."""
    (tmp_path / "history.db").mkdir()
    file = HistoryFile(tmp_path / "history.db")
    file.start()
    file.write(batch(block()))
    assert await times(file) == []
    await file.close()
    assert [r.getMessage() for r in caplog.records] == ["the history is not being kept"]


async def test_one_that_is_not_open_has_nothing(tmp_path: Path) -> None:
    """Before the start and after the end."""
    file = HistoryFile(tmp_path / "history.db")
    assert await kept(file) == Kept({}, [])
    await file.close()


async def test_it_knows_when_there_was_somebody_to_look(tmp_path: Path) -> None:
    """Each life once, as far as it came; for a week."""
    file = HistoryFile(tmp_path / "history.db")
    file.start()
    for until in (NOW + 10, NOW + 20):
        file.write(Batch(NOW, life=Life(NOW, until)))
    file.write(Batch(NOW, life=Life(NOW + 50, NOW + 60)))
    assert (await kept(file)).lives == [(NOW, NOW + 20), (NOW + 50, NOW + 60)]
    file.write(Batch(NOW + 7 * 24 * 3600 + 30))
    assert (await kept(file)).lives == [(NOW + 50, NOW + 60)]
    await file.close()
