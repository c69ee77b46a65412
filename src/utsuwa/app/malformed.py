"""Bytes that are no HTTP get an answer of their own; in the log they are a line, not a traceback.

Whoever scans ports sends such. aiohttp calls it an error of ours, for all of control's servers.
"""

import logging

from aiohttp.http_exceptions import HttpProcessingError


class Malformed(logging.Filter):
    """Turns what aiohttp says of them into a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes the record; it is never held back."""
        found = record.exc_info[1] if record.exc_info else None
        if isinstance(found, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            reason = found.message.strip().partition("\n")[0] or type(found).__name__
            record.msg, record.args = "%s: not HTTP: %s", (record.getMessage(), reason)
            record.exc_info = None
        return True


def tell_in_a_line() -> None:
    """From now on, in this process."""
    logging.getLogger("aiohttp.server").addFilter(Malformed())
