"""`utsuwa token`: what it asks of the API, and what it prints."""

import base64
import hashlib
import json
from typing import Any

import pytest
import yaml

from utsuwa.model.issued import LABEL, NAMESPACE, TYPE
from utsuwa.testing.commandline import Type
from utsuwa.testing.fakeapi import FakeApi, status


def of(api: FakeApi, plural: str) -> list[dict[str, Any]]:
    """All objects of a kind."""
    return [document for key, document in api.objects.items() if key[0] == plural]


def stored(api: FakeApi, number: str, **data: str) -> None:
    """A token's Secret, as the server keeps it."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {
        "name": f"token-{number}", "namespace": NAMESPACE, "labels": {LABEL: number},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    api.put("secrets", {"kind": "Secret", "metadata": metadata, "type": TYPE, "data": encoded})


def test_a_token_is_printed_once_and_kept_as_a_digest(api: FakeApi, utsuwa: Type) -> None:
    """The Secret holds who it stands for and until when, never the token."""
    code, out, err = utsuwa("token", "create", "--user", "alice", "--group", "a", "--group", "b")
    assert (code, err) == (0, "")
    [secret] = of(api, "secrets")
    told = secret["stringData"]
    assert told["digest"] == hashlib.sha256(out.strip().encode()).hexdigest()
    assert (told["user"], told["groups"]) == ("alice", "a\nb")
    assert told["expires"]
    assert out.strip() not in json.dumps(secret)
    assert of(api, "rolebindings") == of(api, "clusterrolebindings") == []


@pytest.mark.parametrize(
    ("options", "plural"),
    [([], "clusterrolebindings"), (["--namespace", "shop"], "rolebindings")],
)
def test_a_role_comes_with_a_binding(
    api: FakeApi, utsuwa: Type, options: list[str], plural: str
) -> None:
    """Everywhere, or in one namespace."""
    assert utsuwa("token", "create", "--role", "view", *options).code == 0
    [binding] = of(api, plural)
    [secret] = of(api, "secrets")
    assert binding["roleRef"]["name"] == "view"
    assert binding["subjects"][0]["name"] == secret["stringData"]["user"]
    assert binding["metadata"]["labels"] == secret["metadata"]["labels"]


def test_a_token_whose_role_is_refused_does_not_exist(api: FakeApi, utsuwa: Type) -> None:
    """Binding first: nobody is handed a token that can do less, or more, than was said."""
    api.refuse["POST"] = status(403, "Forbidden", "you may not bind it")
    code, out, err = utsuwa("token", "create", "--role", "admin")
    assert (code, out) == (1, "")
    assert "you may not bind it" in err
    assert api.objects == {}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--namespace", "shop"], "name one with --role"),
        (["--ttl", "soon"], "--ttl"),
        (["--ttl", "-1h"], "--ttl"),
        (["--role", "boss"], "boss"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_made(
    api: FakeApi, utsuwa: Type, arguments: list[str], why: str
) -> None:
    """Exit code 2."""
    code, _, err = utsuwa("token", "create", *arguments)
    assert code == 2
    assert why in err
    assert api.objects == {}


def test_a_token_for_ever_has_no_end(api: FakeApi, utsuwa: Type) -> None:
    """`--ttl 0`; as a document it says all there is to know."""
    code, out, _ = utsuwa("token", "create", "--ttl", "0", "-o", "yaml")
    told = yaml.safe_load(out)
    assert code == 0
    assert told["expires"] is None
    assert told["user"] == f"token:{told['id']}"
    assert of(api, "secrets")[0]["stringData"]["expires"] == ""


def test_tokens_are_listed_without_their_text(api: FakeApi, utsuwa: Type) -> None:
    """Other Secrets of the namespace are none."""
    stored(api, "4kz9w", user="alice", groups="a\nb", role="view", digest="d1g35t", expires="")
    other = {"name": "other", "namespace": NAMESPACE}
    api.put("secrets", {"kind": "Secret", "metadata": other, "type": "Opaque"})
    code, out, _ = utsuwa("token", "list")
    assert code == 0
    assert "alice" in out
    assert "other" not in out
    assert "d1g35t" not in out
    [told] = json.loads(utsuwa("token", "list", "-o", "json").out)
    assert (told["id"], told["groups"], told["role"]) == ("4kz9w", ["a", "b"], "view")


def test_a_token_is_taken_back_with_its_role(api: FakeApi, utsuwa: Type) -> None:
    """Both go; what is unknown is named, and the rest is done all the same."""
    assert utsuwa("token", "create", "--role", "view").code == 0
    number = of(api, "secrets")[0]["metadata"]["labels"][LABEL]
    code, out, err = utsuwa("token", "revoke", "nope0", number)
    assert code == 1
    assert out == f"token {number} revoked\n"
    assert "no such token: nope0" in err
    assert "utsuwa token list" in err
    assert api.objects == {}


def test_the_help_says_that_what_began_goes_on(utsuwa: Type) -> None:
    """Whoever takes a token back must know that a watch of it is not ended."""
    assert "a watch" in utsuwa("token", "revoke", "--help").out
