"""What an app is: from the command of a pod to a script or module that a Python runs.

A forked process is not started by a command, so the command must be understood: which interpreter
with which options, which script or module, with which arguments. `sh -c "exec …"`, as a Procfile
with `$PORT` makes it, is read as far as it is plain; whatever would take a shell is refused.
"""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PLAIN = frozenset("BEIOPSbdqsuv")
"""Options without an argument, which may stand together."""
_WITH_ARGUMENT = frozenset("WX")
_SHELL = re.compile(r"[|&;<>()`*?\[\]~#\n\"'\\=]|\$\(")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SHORT = 4096


class NotWarmError(Exception):
    """The pod cannot be forked from a warm parent; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind`: `script` or `module`, as with `-m`. `options`: the interpreter's own."""

    python: str
    options: tuple[str, ...]
    kind: str
    target: str
    arguments: tuple[str, ...] = ()

    @property
    def words(self) -> list[object]:
        """As the program in the parent takes it."""
        return [self.kind, self.target, list(self.arguments)]


def entry_of(command: Sequence[str], variables: Mapping[str, str]) -> Entry:
    """What `command` runs, with `variables` as its environment.

    >>> entry_of(("/usr/bin/python3", "-u", "main.py", "x"), {}).kind
    'script'

    Raises:
        NotWarmError: no Python does, or a shell is needed to find out.
    """
    words = _without_shell(tuple(command), variables)
    program = shutil.which(words[0], path=variables.get("PATH", os.defpath))
    if program is None:
        raise NotWarmError(f"{words[0]} is not in the PATH")
    if _is_python(program):
        return _of_python(program, words[1:])
    interpreter = _interpreter(Path(program))
    if not _is_python(interpreter[0]):
        raise NotWarmError(f"{words[0]} is no Python program")
    return _of_python(interpreter[0], (*interpreter[1:], program, *words[1:]))


def _is_python(program: str) -> bool:
    return re.fullmatch(r"python[0-9.]*", os.path.basename(program)) is not None


def _without_shell(command: tuple[str, ...], variables: Mapping[str, str]) -> tuple[str, ...]:
    if command[:2] != ("/bin/sh", "-c") or len(command) != 3:
        return command
    line = command[2].strip()
    if _SHELL.search(line):
        raise NotWarmError(f"its command needs a shell: {line}")
    return tuple(_expanded(word, variables) for word in line.removeprefix("exec ").split())


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        text = variables.get(found[1] or found[2], "")
        if not text or _SHELL.search(text) or text.split() != [text]:
            raise NotWarmError(f"a shell is needed to make words of {found[0]} in its command")
        return text

    expanded = _VARIABLE.sub(value, word)
    if "$" in expanded:
        raise NotWarmError(f"a shell is needed to understand {word} in its command")
    return expanded


def _interpreter(program: Path) -> tuple[str, ...]:
    """What the first line of a script names; pip writes two where that would be too long."""
    try:
        with program.open("rb") as file:
            first, second = file.readline(_SHORT), file.readline(_SHORT)
        lines = first.decode(), second.decode()
    except (OSError, UnicodeDecodeError):
        return ("",)
    if not lines[0].startswith("#!"):
        return ("",)
    words = lines[0][2:].split(maxsplit=1)
    if words and words[0] == "/bin/sh" and lines[1].startswith("'''exec'"):
        words = shlex.split(lines[1].removeprefix("'''exec'"))[:1]
    return tuple(word.strip() for word in words) or ("",)


def _of_python(python: str, words: Sequence[str]) -> Entry:
    options: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "-m" and rest:
            return Entry(python, tuple(options), "module", rest[0], tuple(rest[1:]))
        if not word.startswith("-"):
            return Entry(python, tuple(options), "script", word, tuple(rest))
        if len(word) == 2 and word[1] in _WITH_ARGUMENT and rest:
            options += [word, rest.pop(0)]
        elif len(word) > 1 and (word[1] in _WITH_ARGUMENT or set(word[1:]) <= _PLAIN):
            options.append(word)
        else:
            raise NotWarmError(f"python {word} runs no script and no module")
    raise NotWarmError("python is given no script and no module")
