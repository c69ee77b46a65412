"""Logs: a constant message plus fields, one line each, on the standard library's logging.

`info` is a state change a user cares about; everything else is `debug`. A line reads
`2026-11-23T12:00:00.123Z INFO controllers.route traffic moved route=default/hello`.
(structlog was the other candidate: with rich present its import costs 240 ms and 12 MiB in each
of the three processes, for what these lines do.)
"""

import logging
import sys
from typing import Any, TextIO


class Logger:
    """Writes constant messages with fields; `bind` gives a logger that adds its own."""

    __slots__ = ("_fields", "_logger")

    def __init__(self, logger: logging.Logger, fields: dict[str, Any]) -> None:
        self._logger = logger
        self._fields = fields

    def bind(self, **fields: Any) -> "Logger":
        """A logger that adds `fields` to each line."""
        return Logger(self._logger, {**self._fields, **fields})

    def debug(self, message: str, **fields: Any) -> None:
        """Anything a developer may want."""
        self._write(logging.DEBUG, message, None, fields)

    def info(self, message: str, **fields: Any) -> None:
        """A state change a user cares about."""
        self._write(logging.INFO, message, None, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Something went wrong that we can live with."""
        self._write(logging.WARNING, message, None, fields)

    def error(self, message: str, *, error: BaseException | None = None, **fields: Any) -> None:
        """Something went wrong; `error` adds its traceback to the log (never to an answer)."""
        self._write(logging.ERROR, message, error, fields)

    def _write(
        self, level: int, message: str, error: BaseException | None, fields: dict[str, Any]
    ) -> None:
        if self._logger.isEnabledFor(level):
            extra = {"fields": {**self._fields, **fields}}
            self._logger.log(level, "%s", message, exc_info=error, extra=extra)


class LineFormatter(logging.Formatter):
    """Time, level, origin, message and fields as `key=value`."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows on lines of its own."""
        fields = getattr(record, "fields", {})
        tail = "".join(f" {key}={_show(value)}" for key, value in fields.items())
        origin = record.name.removeprefix("utsuwa.")
        head = f"{self.formatTime(record)} {record.levelname} {origin} {record.getMessage()}{tail}"
        if record.exc_info and record.exc_info[1] is not None:
            return f"{head}\n{self.formatException(record.exc_info)}"
        return head


def _show(value: Any) -> str:
    text = str(value)
    return repr(text) if not text or any(c in text for c in ' "\n=') else text


def get_logger(name: str, **fields: Any) -> Logger:
    """The logger of module `name`, with `fields` bound."""
    return Logger(logging.getLogger(name), fields)


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send the process's logs to `stream` (default: stderr). Called once, by a process's main."""
    handler = logging.StreamHandler(stream or sys.stderr)
    formatter = LineFormatter()
    formatter.converter = _utc
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _utc(seconds: float | None) -> Any:
    import time  # noqa: PLC0415  (formatting only: no clock is read here)

    return time.gmtime(seconds)
