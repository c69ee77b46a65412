"""Checks of what a user types; each message names the flag or argument. Pure."""

import re

_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MOST = 63

ROLES = ("view", "edit", "admin")
"""What one gives to people, from the least to the most."""


def label(value: str, what: str) -> str:
    """`value`, if it can name a service, a namespace or a tag (RFC 1035).

    Raises:
        ValueError: it cannot; the message begins with `what`.
    """
    if len(value) > _MOST or not _LABEL.fullmatch(value):
        raise ValueError(
            f"{what} {value!r}: expected at most {_MOST} lower-case letters, digits and '-', "
            "beginning with a letter and not ending with '-'"
        )
    return value


def environment(
    settings: tuple[str, ...], what: str = "--env"
) -> tuple[tuple[str, str | None], ...]:
    """Pairs from `K=V` settings; `K-` asks to remove K, which is a value of None.

    >>> environment(("A=1", "B=x=y", "C-"))
    (('A', '1'), ('B', 'x=y'), ('C', None))

    Raises:
        ValueError: a setting is neither.
    """
    pairs: list[tuple[str, str | None]] = []
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals and name.endswith("-"):
            name, value_or_none = name[:-1], None
        elif equals:
            value_or_none = value
        else:
            raise ValueError(f"{what} {setting!r}: expected NAME=VALUE, or NAME- to remove it")
        if not _ENV_NAME.fullmatch(name):
            raise ValueError(f"{what} {setting!r}: {name!r} cannot name an environment variable")
        pairs.append((name, value_or_none))
    return tuple(pairs)
