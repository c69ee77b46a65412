"""The part of Go's text/template that operators use for names, hosts and request logs.

`spec/config.md` §6.1: fields and their members, `index`, comparison, `printf`, `if`/`else`,
pipelines, parentheses, variables of no kind, and blank trimming with `{{-` and `-}}`. A template
is parsed once and rendered against plain dicts whose keys are the Go field names:

>>> Template.parse("{{.Name}}-{{index .Labels `app`}}").render({"Name": "a", "Labels": {"app": "b"}})
'a-b'
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from utsuwa.model.settings.template_functions import FUNCTIONS, TemplateError, show, truth

__all__ = ["Template", "TemplateError"]

_ACTION = re.compile(r"\{\{(-(?=\s))?(.*?)((?<=\s)-)?\}\}", re.DOTALL)
_LEXEME = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<raw>`[^`]*`)
      | (?P<number>[+-]?\d+(?:\.\d+)?)
      | (?P<path>(?:\.[A-Za-z_]\w*)+|\.)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark>[()|])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'"}
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "nil": None}

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Constant:
    value: Any

    def evaluate(self, values: Values) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class _Path:
    steps: tuple[str, ...]
    base: "_Constant | _Path | _Call | _Header | None" = None

    def evaluate(self, values: Values) -> Any:
        value: Any = values if self.base is None else self.base.evaluate(values)
        for depth, step in enumerate(self.steps):
            if not isinstance(value, Mapping):
                raise TemplateError(f"cannot look up .{step} in {show(value)!r}")
            if step not in value:
                if depth == 0 and self.base is None:
                    raise TemplateError(f"there is no field .{step}")
                return ""  # a missing label is the empty text, as in a Go map of texts
            value = value[step]
        return value


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    arguments: "tuple[_Constant | _Path | _Call | _Header, ...]"

    def evaluate(self, values: Values) -> Any:
        return FUNCTIONS[self.name](*(argument.evaluate(values) for argument in self.arguments))


@dataclass(frozen=True, slots=True)
class _Header:
    """`.Request.Header.Get "Name"`: the first value of a header field, or ""."""

    fields: "_Path"
    name: "_Constant | _Path | _Call | _Header"

    def evaluate(self, values: Values) -> Any:
        fields = self.fields.evaluate(values)
        if not isinstance(fields, Mapping):
            raise TemplateError(f"{show(fields)!r} has no method Get")
        found = fields.get(str(self.name.evaluate(values)).title())
        return found[0] if found else ""


_Expression = _Constant | _Path | _Call | _Header


@dataclass(frozen=True, slots=True)
class _Choice:
    """`if` with its `else if` branches; the last has no condition when there is an `else`."""

    branches: "tuple[tuple[_Expression | None, tuple[_Node, ...]], ...]"


_Node = str | _Constant | _Path | _Call | _Header | _Choice


@dataclass(frozen=True, slots=True)
class Template:
    """A template; equal to another of the same text."""

    source: str
    _nodes: tuple[_Node, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_nodes", _Parser(self.source).parse())

    @classmethod
    def parse(cls, source: str) -> "Template":
        """The template of `source`.

        Raises:
            TemplateError: (a ValueError) it is not a template, or uses what is not supported.
        """
        return cls(source)

    def render(self, values: Values) -> str:
        """The text for `values`.

        Raises:
            TemplateError: an unknown field, or a function that does not take its arguments.
        """
        return _render(self._nodes, values)


def _render(nodes: tuple[_Node, ...], values: Values) -> str:
    parts: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            parts.append(node)
        elif isinstance(node, _Choice):
            parts.append(_render(_chosen(node, values), values))
        else:
            parts.append(show(node.evaluate(values)))
    return "".join(parts)


def _chosen(choice: _Choice, values: Values) -> tuple[_Node, ...]:
    for condition, body in choice.branches:
        if condition is None or truth(condition.evaluate(values)):
            return body
    return ()


class _Parser:
    """Turns text into nodes. Mutable state: `_pieces`, `_at` (a cursor over them)."""

    def __init__(self, source: str) -> None:
        self._pieces = _pieces(source)
        self._at = 0

    def parse(self) -> tuple[_Node, ...]:
        nodes, ending = self._block()
        if ending:
            raise TemplateError(f"unexpected {{{{{ending}}}}}")
        return nodes

    def _block(self) -> tuple[tuple[_Node, ...], str]:
        """Nodes up to the `else` or `end` that ends this block, and that word (or "")."""
        nodes: list[_Node] = []
        while self._at < len(self._pieces):
            is_action, text = self._pieces[self._at]
            self._at += 1
            if not is_action:
                nodes.append(text)
            elif text == "end" or text.split(" ", 1)[0] == "else":
                return tuple(nodes), text
            elif text.split(" ", 1)[0] == "if":
                nodes.append(self._choice(text[2:]))
            elif not text.startswith("/*"):
                nodes.append(_expression(text))
        return tuple(nodes), ""

    def _choice(self, condition: str) -> _Choice:
        branches: list[tuple[_Expression | None, tuple[_Node, ...]]] = []
        pending: _Expression | None = _expression(condition)
        while True:
            body, ending = self._block()
            branches.append((pending, body))
            if ending == "end":
                return _Choice(tuple(branches))
            if not ending or pending is None:
                raise TemplateError("{{if}} without {{end}}")
            rest = ending.removeprefix("else").strip()
            if rest and not rest.startswith("if "):
                raise TemplateError(f"unexpected {{{{{ending}}}}}")
            pending = _expression(rest[2:]) if rest else None


def _pieces(source: str) -> list[tuple[bool, str]]:
    """The text cut into (is an action, text), blanks trimmed where a dash asks for it."""
    pieces: list[tuple[bool, str]] = []
    position, trim = 0, False
    for match in _ACTION.finditer(source):
        text = source[position : match.start()]
        text = text.lstrip() if trim else text
        pieces.append((False, text.rstrip() if match.group(1) else text))
        pieces.append((True, match.group(2).strip()))
        position, trim = match.end(), bool(match.group(3))
    rest = source[position:]
    if "{{" in rest:
        raise TemplateError("unclosed action: expected }} after {{")
    pieces.append((False, rest.lstrip() if trim else rest))
    return [piece for piece in pieces if piece[0] or piece[1]]


def _expression(text: str) -> _Expression:
    lexemes = _lexemes(text)
    expression, rest = _pipeline(lexemes)
    if rest:
        raise TemplateError(f"unexpected {rest[0][1]!r} in {{{{{text}}}}}")
    return expression


def _lexemes(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position, text = 0, text.strip()
    while position < len(text):
        match = _LEXEME.match(text, position)
        if match is None or match.lastgroup is None:
            raise TemplateError(f"cannot read {text[position:]!r} in {{{{{text}}}}}")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return found


_Lexemes = list[tuple[str, str]]


def _pipeline(lexemes: _Lexemes) -> tuple[_Expression, _Lexemes]:
    """`a | f b`: what is left of a bar is the last argument of what is right of it."""
    value, rest = _command(lexemes, None)
    while rest and rest[0][1] == "|":
        value, rest = _command(rest[1:], value)
    return value, rest


def _command(lexemes: _Lexemes, piped: _Expression | None) -> tuple[_Expression, _Lexemes]:
    kind, word = lexemes[0] if lexemes else ("", "")
    if kind == "word" and word not in _CONSTANTS:
        if word not in FUNCTIONS:
            raise TemplateError(f"function {word!r} is not supported")
        arguments, rest = _operands(lexemes[1:])
        return _Call(word, (*arguments, *([piped] if piped is not None else []))), rest
    operands, rest = _operands(lexemes)
    first = operands[0] if operands else None
    if isinstance(first, _Path) and first.steps[-1:] == ("Get",) and len(operands) == 2:
        return _Header(_Path(first.steps[:-1], first.base), operands[1]), rest
    if len(operands) != 1 or piped is not None:
        raise TemplateError("expected one value or a function with its arguments")
    return operands[0], rest


def _operands(lexemes: _Lexemes) -> tuple[list[_Expression], _Lexemes]:
    operands: list[_Expression] = []
    while lexemes and lexemes[0][1] not in {"|", ")"}:
        operand, lexemes = _operand(lexemes)
        operands.append(operand)
    return operands, lexemes


def _operand(lexemes: _Lexemes) -> tuple[_Expression, _Lexemes]:
    kind, word = lexemes[0]
    rest = lexemes[1:]
    if word == "(" and kind == "mark":
        inner, rest = _pipeline(rest)
        if not rest or rest[0] != ("mark", ")"):
            raise TemplateError("expected a closing parenthesis")
        return inner, rest[1:]
    if kind == "path":
        return _Path(tuple(step for step in word.split(".") if step)), rest
    return _Constant(_literal(kind, word)), rest


def _literal(kind: str, word: str) -> Any:
    if kind == "raw":
        return word[1:-1]
    if kind == "string":
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(1)), word[1:-1])
    if kind == "number":
        return float(word) if "." in word else int(word)
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    raise TemplateError(f"unexpected {word!r}")
