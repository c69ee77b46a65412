import io
import logging
from collections.abc import Iterator

import pytest

from utsuwa.kit import log


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure("info", stream)
    yield stream
    root.handlers[:], root.level = handlers, level


def test_a_line_is_a_constant_message_with_fields(lines: io.StringIO) -> None:
    log.get_logger("utsuwa.kit.x", route="default/hello").info("traffic moved", why="new revision")
    assert lines.getvalue().split(" ", 1)[1] == (
        "INFO kit.x traffic moved route=default/hello why='new revision'\n"
    )


def test_a_level_that_is_off_writes_nothing(lines: io.StringIO) -> None:
    log.get_logger("utsuwa.kit.x").debug("noise")
    assert lines.getvalue() == ""


def test_an_error_brings_its_traceback(lines: io.StringIO) -> None:
    try:
        raise OSError("no space")
    except OSError as error:
        log.get_logger("utsuwa.kit.x").error("write failed", error=error)
    assert "OSError: no space" in lines.getvalue()
