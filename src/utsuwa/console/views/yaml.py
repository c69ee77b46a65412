"""A service as YAML: edited, checked by a dry run, applied."""

from typing import Any

from utsuwa.apiserver.bodies import parse_yaml
from utsuwa.cluster.errors import (
    ApiError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
)
from utsuwa.cluster.port import Key
from utsuwa.console.pages import yaml as pages
from utsuwa.console.pages.difference import difference
from utsuwa.console.pages.service import Head
from utsuwa.console.views.service import head_of, service_of
from utsuwa.console.visit import Page, Redirect, Visit
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.kinds import REVISION, SERVICE
from utsuwa.model.meta import labels_of


async def page(visit: Visit) -> Page:
    """The text of a service; to be edited where he may."""
    key, document = service_of(visit)
    text = pages.editable(document)
    return _page(pages.YamlPage(head_of(visit, document, key), text, text))


async def of_revision(visit: Visit) -> Page:
    """The text of one of its revisions, to be read."""
    key, document = service_of(visit)
    name = visit.parts["revision"]
    revision = visit.sight.one(REVISION, Key(key.namespace, name))
    if revision is None or labels_of(revision).get(labels.SERVICE) != key.name:
        raise NotFoundError(f"Service {key.name} has no revision {name}, or you may not see it.")
    model = pages.RevisionPage(head_of(visit, document, key), name, pages.readable(revision))
    return Page("revision.html", model, title=f"{name}: YAML", here="services")


async def write(visit: Visit) -> Page | Redirect:
    """Check the text by a dry run, or apply it: `act` says which."""
    key, document = service_of(visit)
    head = head_of(visit, document, key)
    text = visit.form.get("text", "").replace("\r\n", "\n")
    base = visit.form.get("base", "").replace("\r\n", "\n")
    apply = visit.form.get("act") == "apply"
    try:
        wanted = _read(text, head)
        done = await visit.api.replace(SERVICE, wanted, dry_run=not apply)
    except ConflictError as error:
        outcome = await _conflict(visit, key, base, error)
    except ForbiddenError:
        raise
    except ApiError as error:
        causes = tuple((cause.field, cause.message) for cause in error.causes)
        outcome = pages.Outcome("bad", error.message, causes if len(causes) > 1 else ())
    else:
        if apply:
            told = f"Applied {head.name}." + "".join(f" Warning: {one}" for one in done.warnings)
            return Redirect(head.path, notice=told)
        outcome = _checked(document, done.document, done.warnings)
    return _page(pages.YamlPage(head, text, base, outcome))


def _page(model: pages.YamlPage) -> Page:
    return Page("yaml.html", model, title=f"{model.head.name}: YAML", here="services")


def _read(text: str, head: Head) -> Document:
    """The object that `text` says. Raises BadRequestError when it says none, or another."""
    body = parse_yaml(text.encode(), duplicates=True)
    if body.duplicates:
        raise BadRequestError(f"Given twice: {', '.join(body.duplicates)}")
    value: Any = body.value
    fault = pages.misnamed(value, head)
    if fault:
        raise BadRequestError(fault)
    wanted: Document = {**value, "metadata": {"namespace": head.namespace, **value["metadata"]}}
    return wanted


def _checked(before: Document, after: Document, warnings: tuple[str, ...]) -> pages.Outcome:
    change = difference(pages.comparable(before), pages.comparable(after))
    words = "This is good. Nothing has been written yet." if change else "This changes nothing."
    return pages.Outcome("good" if change else "", words, warnings=warnings, change=change)


async def _conflict(visit: Visit, key: Key, base: str, error: ConflictError) -> pages.Outcome:
    newest = await visit.api.get(SERVICE, key)
    meanwhile = difference(base, pages.editable(newest))
    words = (
        "Somebody else changed this service since you opened it, so nothing was written. "
        "Your text is still here; below is what they changed. Open the newest version and make "
        "your change in it."
    )
    return pages.Outcome("bad", words if meanwhile else error.message, meanwhile=meanwhile)
