"""The operator's settings: ConfigMaps of knative-serving, told and edited."""

from functools import cache
from pathlib import Path

from utsuwa.cluster.errors import ApiError, ConflictError, ForbiddenError, NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.console.pages import settings as pages
from utsuwa.console.pages.reference import Map, read
from utsuwa.console.visit import Page, Redirect, Visit
from utsuwa.kit.documents import Document
from utsuwa.model.config_maps import SYSTEM_NAMESPACE
from utsuwa.model.kinds import CONFIG_MAP

_FIRST = "config-autoscaler"


async def page(visit: Visit) -> Page:
    """One map; the autoscaler's first."""
    return _page(visit, visit.parts.get("map", _FIRST))


async def write(visit: Visit) -> Page | Redirect:
    """Set what the form says; admission decides."""
    name = visit.parts["map"]
    key = Key(SYSTEM_NAMESPACE, name)
    document = _document(visit, name)
    wanted = pages.asked(visit.form, document)
    changed = pages.patch(wanted, document)
    back = f"/settings/{name}"
    if not changed:
        return Redirect(back, notice=f"{name}: nothing was changed.")
    metadata = {"resourceVersion": visit.form.get("version", "")}
    try:
        done = await visit.api.patch(CONFIG_MAP, key, {"metadata": metadata, "data": changed})
    except ForbiddenError:
        raise
    except ConflictError:
        wrong = (
            f"Somebody else changed {name} since you opened this page: nothing was written. "
            "Your values are still here; save again to have them so."
        )
        return _page(visit, name, wanted, wrong)
    except ApiError as error:
        return _page(visit, name, wanted, error.message.rpartition("validation failed: ")[2])
    told = ", ".join(
        f"{one} is back to its default" if value is None else f"{one} = {value or 'empty'}"
        for one, value in changed.items()
    )
    warnings = "".join(f" Warning: {one}" for one in done.warnings)
    return Redirect(back, notice=f"Saved {name}: {told[:400]}.{warnings}")


@cache
def reference() -> dict[str, Map]:
    """The documentation of settings: beside the code in a wheel, in docs where it is developed."""
    packed = Path(__file__).parents[1] / "settings.md"
    source = Path(__file__).parents[4] / "docs" / "reference" / "settings.md"
    return read((packed if packed.exists() else source).read_text(encoding="utf-8"))


def _document(visit: Visit, name: str) -> Document:
    document = visit.sight.one(CONFIG_MAP, Key(SYSTEM_NAMESPACE, name))
    if document is None or name not in reference():
        raise NotFoundError(f"There are no settings {name}, or you may not see them.")
    return document


def _page(visit: Visit, name: str, asked: dict[str, str] | None = None, wrong: str = "") -> Page:
    _document(visit, name)
    model = pages.page(
        visit.sight.all(CONFIG_MAP, SYSTEM_NAMESPACE),
        reference(),
        name,
        may_change=visit.sight.may("patch", CONFIG_MAP, Key(SYSTEM_NAMESPACE, name)),
        asked=asked,
        wrong=wrong,
    )
    return Page("settings.html", model, title=f"Settings: {name}", here="settings")
