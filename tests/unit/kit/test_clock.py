import pytest

from utsuwa.kit.clock import LoopClock, SystemClock, parse_rfc3339, rfc3339
from utsuwa.kit.ids import Ids


def test_times_are_written_as_kubernetes_writes_them() -> None:
    assert rfc3339(1_700_000_000.9) == "2023-11-14T22:13:20Z"
    assert parse_rfc3339("2023-11-14T22:13:20Z") == 1_700_000_000


@pytest.mark.looptime
async def test_a_minute_on_a_virtual_loop_is_a_minute_on_its_clock() -> None:
    clock = LoopClock(epoch=1000)
    await clock.sleep(60)
    assert clock.now() == pytest.approx(1060)
    assert clock.monotonic() == pytest.approx(60)


async def test_the_machines_clock_goes_forward() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(-1)
    assert clock.monotonic() >= before
    assert clock.now() > 1_700_000_000


def test_the_same_randomness_gives_the_same_names() -> None:
    import random

    first, second = Ids(random.Random(1)), Ids(random.Random(1))
    assert first.uid() == second.uid()
    assert first.suffix() == second.suffix()
    assert len(first.suffix(8)) == 8
