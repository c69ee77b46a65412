"""`utsuwa token`: bearer tokens, made, listed and taken back."""

from typing import TYPE_CHECKING, Any

import click

from utsuwa.cli.failures import Failure
from utsuwa.cli.names import ROLES
from utsuwa.cli.options import Connection, connection_options, one_output_option, output_option

if TYPE_CHECKING:
    from utsuwa.app.api import Client

_DAYS = "720h"


@click.group("token", short_help="Make, list and revoke bearer tokens.")
def command() -> None:
    """Bearer tokens: for clients that take no certificate, and for people who are not to do all.

    \b
    Examples:
      utsuwa token create --role view
      utsuwa token create --user alice --group team-a --role edit --namespace shop --ttl 8h
      utsuwa token list
      utsuwa token revoke 4kz9w
    """


@command.command("create", short_help="Make a token and print it.")
@click.option("--user", metavar="NAME", help="Whom it stands for [token:ID].")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="A group; may be repeated.")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    help="What comes with it, beside what its user and groups may do anyway.",
)
@click.option("-n", "--namespace", metavar="NS", help="The role holds in this namespace alone.")
@click.option(
    "--ttl",
    default=_DAYS,
    show_default=True,
    metavar="DURATION",
    help="How long it holds, such as 90m or 24h; 0 for ever.",
)
@one_output_option
@connection_options
def create(
    *,
    user: str | None,
    groups: tuple[str, ...],
    role: str | None,
    namespace: str | None,
    ttl: str,
    output: str,
    connection: Connection,
) -> None:
    """Make a token and print it. It is shown this once: the cluster keeps a digest of it.

    \b
    Examples:
      utsuwa token create --role view
      kubectl --token "$(utsuwa token create --role edit -n shop --ttl 8h)" -n shop get pods
    """  # fmt: skip
    import secrets

    from utsuwa.cli import render
    from utsuwa.kit.clock import SystemClock, rfc3339
    from utsuwa.kit.ids import Ids
    from utsuwa.model.issued import Bearer, documents, token_of

    if namespace and not role:
        raise click.UsageError("--namespace says where a role holds: name one with --role")
    seconds = _seconds(ttl)
    number = Ids().suffix()
    token = token_of(number, secrets.token_urlsafe(32))
    expires = rfc3339(SystemClock().now() + seconds) if seconds else ""
    bearer = Bearer(user or f"token:{number}", groups, role or "", namespace or "")
    with connection.client() as client:
        _store(client, documents(number, token, bearer, expires))
    if output == "text":
        click.echo(token)
        return
    facts = {"id": number, "token": token, **_facts(bearer), "expires": expires or None}
    click.echo(render.document(facts, output))


@command.command("list", short_help="List tokens, never their text.")
@output_option
@connection_options
def list_(*, output: str, connection: Connection) -> None:
    """List tokens: whom each stands for, what came with it, and how long it holds.

    \b
    Examples:
      utsuwa token list
      utsuwa token list -o json
    """
    from utsuwa.cli import listing, render, rows
    from utsuwa.cli.resources import SECRETS
    from utsuwa.model.issued import LABEL, NAMESPACE, TYPE

    with connection.client() as client:
        found = client.list(SECRETS, NAMESPACE)["items"]
    tokens = [item for item in found if item.get("type") == TYPE and LABEL in _labels(item)]
    facts = [_read(item) for item in tokens]
    if output in {"json", "yaml"}:
        click.echo(render.document(facts, output))
        return
    listing.print_table(rows.tokens(facts, listing.now()), "No tokens.")


@command.command("revoke", short_help="Take tokens back.")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@connection_options
def revoke(*, ids: tuple[str, ...], connection: Connection) -> None:
    """Take tokens back, and the roles that came with them.

    It holds for every request from then on, also on connections that are open already. What began
    before is not ended: a watch, a followed log, a port-forward. They end at their own time, a
    watch within 45 minutes if its client asked for nothing else.

    \b
    Examples:
      utsuwa token revoke 4kz9w
    """
    from utsuwa.app.api import ApiRefusedError
    from utsuwa.cli.resources import CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS, SECRETS
    from utsuwa.model.issued import LABEL, NAMESPACE, secret_name

    unknown: list[str] = []
    with connection.client() as client:
        for number in ids:
            try:
                client.delete(SECRETS, NAMESPACE, secret_name(number))
            except ApiRefusedError as error:
                if error.code != 404:
                    raise
                unknown.append(number)
                continue
            for resource in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
                for item in client.list(resource, labels={LABEL: number})["items"]:
                    metadata = item["metadata"]
                    client.delete(resource, metadata.get("namespace", ""), metadata["name"])
            click.echo(f"token {number} revoked")
    if unknown:
        raise Failure(f"no such token: {', '.join(unknown)}", "List them: utsuwa token list")


def _store(client: "Client", documents: Any) -> None:
    """The binding first: a token whose role is refused must not exist."""
    from utsuwa.app.api import ApiRefusedError
    from utsuwa.cli.resources import CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS, SECRETS

    secret, *bindings = documents
    made = []
    try:
        for binding in bindings:
            kind = binding["kind"]
            resource = ROLE_BINDINGS if kind == "RoleBinding" else CLUSTER_ROLE_BINDINGS
            client.create(resource, binding)
            made.append((resource, binding["metadata"]))
        client.create(SECRETS, secret)
    except ApiRefusedError:
        for resource, metadata in made:
            client.delete(resource, metadata.get("namespace", ""), metadata["name"])
        raise


def _facts(bearer: Any) -> dict[str, Any]:
    return {
        "user": bearer.user, "groups": list(bearer.groups), "role": bearer.role or None,
        "namespace": bearer.namespace or None,
    }  # fmt: skip


def _read(secret: dict[str, Any]) -> dict[str, Any]:
    """What a token's Secret says of it; the digest stays where it is."""
    from base64 import b64decode

    data = {key: b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    return {
        "id": _labels(secret)["utsuwa.dev/token"],
        "user": data.get("user", ""),
        "groups": [group for group in data.get("groups", "").split("\n") if group],
        "role": data.get("role") or None,
        "namespace": data.get("namespace") or None,
        "created": secret["metadata"].get("creationTimestamp"),
        "expires": data.get("expires") or None,
    }


def _labels(secret: dict[str, Any]) -> dict[str, str]:
    return secret["metadata"].get("labels") or {}


def _seconds(ttl: str) -> float:
    from utsuwa.kit.units import parse_duration

    try:
        seconds = parse_duration(ttl)
    except ValueError as error:
        raise click.UsageError(f"--ttl: {error}") from None
    if seconds < 0:
        raise click.UsageError(f"--ttl {ttl!r}: expected a time ahead, such as 24h")
    return seconds
