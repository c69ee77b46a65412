import re

import pytest

from utsuwa.apiserver.bodies import parse
from utsuwa.apiserver.status import UnsupportedMediaTypeError
from utsuwa.cluster.errors import BadRequestError

YAML = "application/yaml"


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "application/json; charset=utf-8"]
)
def test_json_is_what_a_body_is_by_default(content_type: str) -> None:
    """The Python client sends no Content-Type (`spec/kubernetes-api.md` §10)."""
    assert parse(b'{"a": [1, null]}', content_type).value == {"a": [1, None]}


def test_yaml_is_read_as_kubernetes_reads_it() -> None:
    """Times stay text, keys become text, a flow mapping is fine too."""
    text = b"a: 2026-11-23\n1: x\ntrue: y\nb: {c: 0o17}\n"
    assert parse(text, YAML).value == {"a": "2026-11-23", "1": "x", "true": "y", "b": {"c": "0o17"}}
    assert parse(b"{a: 1, b: [x]}", YAML).value == {"a": 1, "b": ["x"]}


def test_keys_given_twice_are_told_by_path() -> None:
    """For `fieldValidation`; the last value wins, as in Kubernetes."""
    body = parse(b'{"a": {"b": 1, "b": 2}, "c": [{"d": 1, "d": 1}]}', "", duplicates=True)
    assert body.value["a"] == {"b": 2}
    assert body.duplicates == ("a.b", "c[0].d")
    assert parse(b"a:\n  b: 1\n  b: 2\n", YAML, duplicates=True).duplicates == ("a.b",)


@pytest.mark.parametrize(
    ("data", "content_type", "told"),
    [
        (b'{"a": 1,\n "b": }', "", "line 2, column 7"),
        (b"", "", "not JSON"),
        (b'{"a": "\xff"}', "", "not JSON"),
        (b"a: [1\nb: 2\n", YAML, "line 2"),
        (b"a: !!binary aGVsbG8=\n", YAML, "a: YAML binaries"),
        (b"? [a, b]\n: 1\n", YAML, "expected a text as key"),
        (b"a: !!python/object/apply:os.system [ls]\n", YAML, "could not determine a constructor"),
        (b"[" * 100_000, "", "nested too deeply"),
    ],
)
def test_a_malformed_body_is_refused_with_its_place(
    data: bytes, content_type: str, told: str
) -> None:
    """400, with line and column where there is one."""
    with pytest.raises(BadRequestError, match=re.escape(told)):
        parse(data, content_type)


def test_a_yaml_bomb_is_refused() -> None:
    """A few aliases can stand for billions of values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(BadRequestError, match="fewer aliases"):
        parse("\n".join(lines).encode(), YAML)


@pytest.mark.parametrize("content_type", ["application/xml", "text/html"])
def test_other_forms_are_415(content_type: str) -> None:
    """With the list of what is taken."""
    with pytest.raises(UnsupportedMediaTypeError, match="accepted media types include"):
        parse(b"x", content_type)
