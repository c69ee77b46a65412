"""The `utsuwa` command.

It starts in the time of a blink (150 ms, held by a test): each command's module, and whatever it
needs, is imported when that command runs. Exit codes: 0 done, 1 the request failed (one line why,
one line what to do), 2 wrong usage, 130 interrupted. No stack trace ever reaches the user, unless
UTSUWA_DEBUG is set.
"""

__all__ = ["main"]


def main() -> None:
    """Entry point of the `utsuwa` script."""
    import sys

    from utsuwa.cli.root import run

    sys.exit(run(sys.argv[1:]))
