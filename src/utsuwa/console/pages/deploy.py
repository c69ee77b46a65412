"""The form by which one deploys: what it holds, what of it is a change, what is wrong. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from utsuwa.cluster.errors import ApiError
from utsuwa.console.pages.service import Head
from utsuwa.kit.documents import Document, dig
from utsuwa.model.deployment import MAX_SCALE, MIN_SCALE, USER_IMAGE, Change, serving_container
from utsuwa.model.images import parse_reference
from utsuwa.model.meta import annotations_of
from utsuwa.model.validation.names import dns_1035_label, environment_name

_MOST_PORT = 65535
_ENV = re.compile(r"env-name-(\d+)")
_NUMBERS = {
    "concurrency": (0, 1000), "min_scale": (0, None), "max_scale": (0, None), "port": (1, _MOST_PORT),
}  # fmt: skip
_FIELDS = (
    ("metadata.name", "name"), ("traffic", "tag"), ("template.metadata.name", "tag"),
    ("min-scale", "min_scale"), ("minScale", "min_scale"), ("max-scale", "max_scale"),
    ("maxScale", "max_scale"), ("containerConcurrency", "concurrency"), ("ports", "port"),
    (".env", "env"), ("image", "image"),
)  # fmt: skip
"""What the path of a fault has in it, and the field of the form that it stands beside."""


@dataclass(frozen=True, slots=True)
class EnvRow:
    """A variable; `fixed`: its value comes from elsewhere, and the form leaves it as it is."""

    name: str = ""
    value: str = ""
    fixed: str = ""


@dataclass(frozen=True, slots=True)
class DeployForm:
    """What the fields hold, as text."""

    namespace: str = "default"
    name: str = ""
    source: str = "image"
    image: str = ""
    fresh: bool = False
    """Whether the image is looked up anew: its tag may have moved."""
    folder: str = ""
    env: tuple[EnvRow, ...] = ()
    concurrency: str = ""
    min_scale: str = ""
    max_scale: str = ""
    port: str = ""
    http2: bool = False
    tag: str = ""
    no_traffic: bool = False


@dataclass(frozen=True, slots=True)
class DeployPage:
    """The page; `head` is there for a service that exists. `wrong`: what is wrong by field, "" for
    the whole."""

    form: DeployForm
    head: Head | None = None
    wrong: Mapping[str, str] = field(default_factory=dict)
    namespaces: tuple[str, ...] = ()
    may: bool = True
    may_build: bool = False
    build: str = ""
    """The name under which a build of this form tells what it does."""


class FormError(ValueError):
    """The form makes no sense; `wrong` says by field why."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        super().__init__("; ".join(wrong.values()))
        self.wrong = dict(wrong)


def filled(service: Document) -> DeployForm:
    """The form of a service as it is."""
    template = service["spec"]["template"]
    container = serving_container(template["spec"])
    marks = annotations_of(template)
    port: Document = next(iter(container.get("ports") or ()), {})
    concurrency = dig(template, "spec", "containerConcurrency", default=0)
    return DeployForm(
        namespace=service["metadata"]["namespace"],
        name=service["metadata"]["name"],
        image=marks.get(USER_IMAGE) or container.get("image") or "",
        env=tuple(map(_env_row, container.get("env") or ())),
        concurrency=str(concurrency) if concurrency else "",
        min_scale=_first(marks, MIN_SCALE),
        max_scale=_first(marks, MAX_SCALE),
        port=str(port["containerPort"]) if port.get("containerPort") else "",
        http2=port.get("name") == "h2c",
    )


def posted(form: Mapping[str, str]) -> DeployForm:
    """What was sent."""

    def text(name: str) -> str:
        return form.get(name, "").strip()

    numbers = sorted(int(found[1]) for name in form if (found := _ENV.fullmatch(name)))
    rows = [
        EnvRow(text(f"env-name-{at}"), form.get(f"env-value-{at}", ""), text(f"env-fixed-{at}"))
        for at in numbers
    ]
    return DeployForm(
        namespace=text("namespace") or "default",
        name=text("name"),
        source="folder" if text("source") == "folder" else "image",
        image=text("image"),
        fresh=bool(text("fresh")),
        folder=text("folder"),
        env=tuple(row for row in rows if row.name or row.value),
        concurrency=text("concurrency"),
        min_scale=text("min_scale"),
        max_scale=text("max_scale"),
        port=text("port"),
        http2=bool(text("http2")),
        tag=text("tag"),
        no_traffic=bool(text("no_traffic")),
    )


def change(form: DeployForm, before: DeployForm | None, nonce: str) -> Change:
    """What the form asks for; `before` is that of the service as it is. The image of a folder is
    not known yet.

    Raises:
        FormError: fields make no sense.
    """
    wrong = _faults(form, before)
    if wrong:
        raise FormError(wrong)
    old = before or DeployForm()
    is_other = form.source == "image" and (form.fresh or form.image != old.image)
    return Change(
        nonce=nonce,
        image=form.image if is_other else "",
        user_image=form.image if is_other else "",
        concurrency=_set(form.concurrency, old.concurrency),
        min_scale=_set(form.min_scale, old.min_scale),
        max_scale=_set(form.max_scale, old.max_scale),
        env=_env_change(form.env, old.env),
        port=int(form.port) if form.port and form.port != old.port else None,
        http2=form.http2 if form.http2 != old.http2 else None,
        no_traffic=form.no_traffic,
        tag=form.tag,
    )


def beside(error: ApiError) -> dict[str, str]:
    """What admission refused, by field of the form; what belongs to none stands under ""."""
    wrong: dict[str, list[str]] = {}
    for cause in error.causes:
        place = f"{cause.field} {cause.message}"
        name = next((field for part, field in _FIELDS if part in place), "")
        wrong.setdefault(name, []).append(cause.message)
    if not wrong:
        return {"": error.message}
    return {name: "; ".join(dict.fromkeys(messages)) for name, messages in wrong.items()}


def _faults(form: DeployForm, before: DeployForm | None) -> dict[str, str]:
    wrong = {
        name: fault
        for name, (least, most) in _NUMBERS.items()
        if (fault := _number_fault(getattr(form, name), least, most))
    }
    if before is None:
        if dns_1035_label(form.name):
            wrong["name"] = _label_fault(form.name)
        if form.no_traffic:
            wrong["no_traffic"] = "The first revision gets the traffic: there is no other."
    if form.tag and dns_1035_label(form.tag):
        wrong["tag"] = _label_fault(form.tag)
    if form.source == "folder" and not form.folder:
        wrong["folder"] = "Expected the path of a directory on the machine that runs Utsuwa."
    if form.source == "image":
        try:
            parse_reference(form.image)
        except ValueError as error:
            wrong["image"] = str(error)
    if fault := _env_fault(form.env):
        wrong["env"] = fault
    return wrong


def _number_fault(text: str, least: int, most: int | None) -> str:
    if not text:
        return ""
    if (
        text.isascii()
        and text.isdecimal()
        and int(text) >= least
        and int(text) <= (most or int(text))
    ):
        return ""
    span = f"{least} to {most}" if most else f"{least} on"
    return f"Expected a whole number from {span}, found {text!r}."


def _label_fault(text: str) -> str:
    return (
        "Expected at most 63 lower-case letters, digits and '-', beginning with a letter; "
        f"found {text or 'nothing'}."
    )


def _env_fault(rows: Iterable[EnvRow]) -> str:
    seen = set()
    for row in rows:
        if not row.name:
            return f"The value {row.value!r} has no name."
        if environment_name(row.name):
            return f"{row.name!r} cannot name an environment variable."
        if row.name in seen:
            return f"{row.name} is there twice."
        seen.add(row.name)
    return ""


def _env_change(
    rows: tuple[EnvRow, ...], before: tuple[EnvRow, ...]
) -> tuple[tuple[str, str | None], ...]:
    old = {row.name: row for row in before}
    new = {row.name for row in rows}
    gone: list[tuple[str, str | None]] = [(name, None) for name in old if name not in new]
    kept = [
        (row.name, row.value)
        for row in rows
        if not row.fixed and (row.name not in old or old[row.name].value != row.value)
    ]
    return (*gone, *kept)


def _env_row(entry: Document) -> EnvRow:
    origin = entry.get("valueFrom") or {}
    for kind, told in (("secretKeyRef", "secret"), ("configMapKeyRef", "config map")):
        if kind in origin:
            return EnvRow(entry["name"], "", f"{told} {origin[kind].get('name')}")
    return EnvRow(entry["name"], entry.get("value") or "", "the pod itself" if origin else "")


def _first(marks: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((marks[key] for key in keys if marks.get(key)), "")


def _set(text: str, before: str) -> int | None:
    """A field that was emptied takes its bound away."""
    return None if text == before else int(text or 0)
