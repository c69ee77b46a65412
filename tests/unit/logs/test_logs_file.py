"""Log files whose oldest part is given back to the disk."""

import os
import threading
from pathlib import Path

import pytest

from utsuwa.kit.timeline import index_of, record
from utsuwa.logs.file import drop, kept_from, line_start, on_disk, opened, read, tail_start
from utsuwa.logs.keeping import trim
from utsuwa.logs.times import Times

LINES = 4000
KIB = 1024


def numbered(first: int, count: int) -> bytes:
    return b"".join(b"line %06d %s\n" % (n, b"x" * 87) for n in range(first, first + count))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_bytes(numbered(0, LINES))
    return path


def everything(path: Path, offset: int = 0) -> bytes:
    parts = []
    with opened(path) as file:
        while (found := read(file, offset))[1]:
            offset = found[0] + len(found[1])
            parts.append(found[1])
    return b"".join(parts)


def test_whole_lines_are_dropped_and_offsets_stay(log: Path) -> None:
    """The disk has its blocks back; the size, and what is kept, are as they were."""
    before, size = log.read_bytes(), log.stat().st_size
    kept = drop(log, 100 * KIB)
    assert log.stat().st_size == size
    assert on_disk(log) <= 108 * KIB
    assert everything(log) == before[kept:]
    assert before[kept:].startswith(b"line ")
    assert 0 <= 100 * KIB - (size - kept) < 100
    with opened(log) as file:
        assert kept_from(file) == kept


def test_a_file_within_its_bound_is_left_alone(log: Path) -> None:
    """And dropping twice is dropping once."""
    assert drop(log, 10_000 * KIB) == 0
    kept = drop(log, 64 * KIB)
    assert drop(log, 64 * KIB) == kept
    assert drop(log, 128 * KIB) == kept


def test_a_reader_that_was_overtaken_goes_on_with_a_whole_line(log: Path) -> None:
    """It is told where, and never sees a byte of the hole."""
    kept = drop(log, 64 * KIB)
    with opened(log) as file:
        for offset in (0, 1, kept - 50, kept):
            start, data = read(file, offset, 200)
            assert (start, data[:5]) == (kept, b"line ")
        assert read(file, log.stat().st_size) == (log.stat().st_size, b"")


def test_zeros_that_were_written_are_passed_on(tmp_path: Path) -> None:
    """They are no hole."""
    log = tmp_path / "0.log"
    log.write_bytes(b"a\0b\n" + b"\0" * 9000 + b"\nend\n")
    assert everything(log) == log.read_bytes()


def test_lines_are_found_from_the_end(log: Path) -> None:
    """No further back than what is kept."""
    kept = drop(log, 64 * KIB)
    with opened(log) as file:
        size = log.stat().st_size
        assert everything(log, tail_start(file, size, 2)) == numbered(LINES - 2, 2)
        assert tail_start(file, size, 10 * LINES) == kept
        assert line_start(file, size - 50) == size - 100


def test_times_are_dropped_with_the_lines_they_tell_of(log: Path) -> None:
    """Those of what is kept stay exact."""
    size = log.stat().st_size
    index_of(log).write_bytes(b"".join(record(n * 100, n) for n in range(1, LINES + 1)) * 1)
    kept = trim(log, 64 * KIB)
    assert on_disk(index_of(log)) < 20 * KIB
    times = Times(log)
    times.refresh()
    assert times.at(kept + 100) == kept // 100 + 1
    assert times.at(size) == LINES
    assert times.before(LINES, size) == size - 100
    with index_of(log).open("ab") as file:
        file.write(record(size + 100, 9_999_999))
    times.refresh()
    assert times.at(size + 100) == 9_999_999


def test_nothing_is_lost_or_repeated_while_somebody_writes(tmp_path: Path) -> None:
    """One writes as a container does, one follows, and the oldest part is dropped under both."""
    log = tmp_path / "0.log"
    log.touch()
    total = 40_000
    follower_is_at, written = [0], [0]
    caught_up = threading.Condition()

    def write() -> None:
        output = os.open(log, os.O_WRONLY | os.O_APPEND)
        for first in range(0, total, 100):
            os.write(output, numbered(first, 100))
            written[0] += 100 * 100
            with caught_up:
                caught_up.wait_for(lambda: written[0] - follower_is_at[0] < 256 * KIB)
        os.close(output)

    writer = threading.Thread(target=write)
    writer.start()
    seen = bytearray()
    size = total * 100
    with opened(log) as file:
        while follower_is_at[0] < size:
            start, data = read(file, follower_is_at[0])
            assert start == follower_is_at[0], "it was never overtaken"
            seen += data
            with caught_up:
                follower_is_at[0] = start + len(data)
                caught_up.notify()
            drop(log, 512 * KIB)
    writer.join()
    assert bytes(seen) == numbered(0, total)
    assert on_disk(log) < 600 * KIB
