"""Jinja2: templates, filters, and what every template may name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from utsuwa.console.assets import Assets
from utsuwa.console.pages import words
from utsuwa.console.pages.tabs import TABS

_TEMPLATES = Path(__file__).parent / "templates"


class _Slim(FileSystemLoader):
    """Templates without their indentation: what a page says in lines of its own (a textarea) comes
    in by an expression."""

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        """As the loader's."""
        source, filename, is_current = super().get_source(environment, template)
        return "\n".join(line.lstrip() for line in source.splitlines()), filename, is_current


class Renderer:
    """Renders templates; all of them are read at the start."""

    def __init__(self, assets: Assets) -> None:
        environment = Environment(
            loader=_Slim(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        environment.globals["asset"] = assets.url
        environment.globals["tabs"] = TABS
        environment.filters.update(words.FILTERS)
        self._templates: dict[str, Template] = {
            name: environment.get_template(name) for name in environment.list_templates()
        }
        self._macros: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Renderer {len(self._templates)} templates>"

    def render(self, template: str, **context: Any) -> str:
        """The text of `template`."""
        return self._templates[template].render(**context)

    def macro(self, name: str) -> Any:
        """A macro by its name: "services.rate" is `rate` in `parts/services.html`."""
        found = self._macros.get(name)
        if found is None:
            file, _, macro = name.partition(".")
            found = getattr(self._templates[f"parts/{file}.html"].module, macro)
            self._macros[name] = found
        return found
