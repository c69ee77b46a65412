"""`docs/reference/annotations.md` has the keys that the code knows, all of them and no other."""

import ast
import re
from pathlib import Path

from utsuwa.model import autoscaling_annotations, labels
from utsuwa.model.autoscaling_annotations import Annotation
from utsuwa.model.labels import Spellings

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "annotations.md"
SOURCES = ROOT / "src" / "utsuwa"
KEY = re.compile(r"[a-z0-9.-]+\.(?:dev|io|com)/[A-Za-z][A-Za-z.-]+")
NOT_KEYS = {
    "kubernetes.io/tls",  # a type of Secret
    "authentication.kubernetes.io/credential-id",  # what else a token says of its bearer
    "authentication.kubernetes.io/pod-name",
    "authentication.kubernetes.io/pod-uid",
    "k8s.io/initial-events-end",  # on a bookmark, which is no object
}


def keys_of_the_model() -> set[str]:
    """Those that are put together there."""
    known: set[str] = set()
    for module in (labels, autoscaling_annotations):
        for value in vars(module).values():
            if isinstance(value, Spellings | Annotation):
                known |= set(value.keys)
    return known | {key for spellings in labels.QUEUE_RESOURCES for key in spellings.keys}


def keys_in_texts() -> set[str]:
    """Every text in the sources that looks like a key."""
    return {
        node.value
        for file in SOURCES.rglob("*.py")
        if "testing" not in file.parts
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and KEY.fullmatch(node.value)
    }


def keys_told() -> set[str]:
    return {text for text in re.findall(r"`([^`\n]+)`", PAGE.read_text()) if KEY.fullmatch(text)}


def test_every_key_of_the_code_is_told() -> None:
    """A key that nobody can read about is a secret switch."""
    assert (keys_of_the_model() | keys_in_texts()) - NOT_KEYS - keys_told() == set()


def test_every_key_that_is_told_is_one_of_the_code() -> None:
    assert keys_told() - keys_of_the_model() - keys_in_texts() == set()


def test_what_is_no_key_is_in_the_code_all_the_same() -> None:
    """Guards the list above."""
    assert NOT_KEYS - keys_in_texts() == set()


def test_more_than_eighty_keys_are_compared() -> None:
    assert len(keys_told()) > 80
