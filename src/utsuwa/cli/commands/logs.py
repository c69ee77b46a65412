"""`utsuwa logs`."""

from typing import TYPE_CHECKING

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.options import Connection, Duration, connection_options, namespace_option

if TYPE_CHECKING:
    from utsuwa.cli.tailing import Told

_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


@click.command("logs", short_help="Show what a service printed.")
@click.argument("name", shell_complete=service_names)
@click.option("-f", "--follow", is_flag=True, help="Go on, with pods that come later too.")
@click.option("--since", type=Duration(), metavar="DURATION", help="Of the last 90s, 10m, 1h.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="The last N lines that fit.")
@click.option("--revision", metavar="REVISION", help="Of this revision only.")
@click.option("--pod", metavar="POD", help="Of this pod only.")
@click.option("--level", type=click.Choice(_LEVELS, case_sensitive=False),
              help="At least as severe.")  # fmt: skip
@click.option("--request-id", metavar="ID",
              help="That name this request: its X-Request-Id, or the trace id of traceparent. "
              "The request log is looked through too.")  # fmt: skip
@click.option("--search", metavar="TEXT", help="That contain TEXT, whatever the case.")
@click.option("--requests", is_flag=True, help="The request log instead.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "raw"]), default="text",
              show_default=True, help="For people, parsed, or as it was written.")  # fmt: skip
@namespace_option
@connection_options
def command(  # noqa: PLR0913  (each one is an option of the command line)
    *,
    name: str,
    follow: bool,
    since: float | None,
    tail: int | None,
    revision: str | None,
    pod: str | None,
    level: str | None,
    request_id: str | None,
    search: str | None,
    requests: bool,
    timestamps: bool,
    output: str,
    namespace: str | None,
    connection: Connection,
) -> None:
    """Show what the pods of a service printed, stdout and stderr alike, those that are gone
    included, merged by time. Each line is headed by its pod when there are several.

    Lines that are JSON objects are read as Cloud Run reads them: severity, message, time, trace.

    \b
    Examples:
      utsuwa logs hello
      utsuwa logs hello -f --tail 10
      utsuwa logs hello --revision hello-00002 --level warning --since 10m
      utsuwa logs hello --request-id 4bf92f3577b34da6a3ce929d0e0e4736
      utsuwa logs hello --requests -o json
    """
    wanted = {
        "follow": "true" if follow else None,
        "sinceSeconds": None if since is None else str(max(1, round(since))),
        "tailLines": None if tail is None else str(tail),
        "revision": revision,
        "pod": pod,
        "level": level,
        "requestID": request_id,
        "search": search,
        "requests": "only" if requests else "with" if request_id else None,
    }
    query = {name: value for name, value in wanted.items() if value is not None}
    _show(connection, namespace, name, query, output, timestamps=timestamps)


def _show(
    connection: Connection,
    namespace: str | None,
    name: str,
    query: dict[str, str],
    output: str,
    *,
    timestamps: bool,
) -> None:
    import json

    from utsuwa.cli.tailing import Told, shown

    with connection.client() as client:
        told = Told(client, namespace or client.namespace, name, query)
        if output == "raw":
            for text in told.raw():
                click.echo(text)
            return
        head = "follow" in query or "requestID" in query
        if output == "text":
            head = _introduce(told, query) or head
        for line in told.lines():
            if output == "json":
                click.echo(json.dumps(line, ensure_ascii=False))
                continue
            text, style = shown(line, head=head, times=timestamps)
            click.echo(click.style(text, **style) if style else text)


def _introduce(told: "Told", query: dict[str, str]) -> bool:
    """Say on stderr what there is, where that is not plain; whether there are several pods."""
    requests = query.get("requests") == "only"
    found = [one for one in told.sources() if (one["kind"] == "requests") == requests]
    if requests and not found:
        click.echo(
            "no request log: turn it on with logging.enable-request-log in config-observability",
            err=True,
        )
    elif not requests:
        found = [one for one in found if query.get("revision", one["revision"]) == one["revision"]]
        if not found:
            click.echo("no pod is running, and none has left a log", err=True)
        elif not any(one["alive"] for one in found):
            click.echo("no pod is running; this is what those that are gone printed:", err=True)
    return len({one["pod"] for one in found}) > 1
