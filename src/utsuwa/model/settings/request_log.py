"""What a template of the request log may use (`spec/dataplane.md` §12), and what each means."""

from collections.abc import Iterator, Mapping
from typing import Any

from utsuwa.model.settings.templates import Template, TemplateError

Values = dict[str, Any]


class _Fields(Mapping[str, Any]):
    """Fields as Go has them: one that there is not is a mistake, no empty text."""

    def __init__(self, name: str, fields: Values) -> None:
        self._name = name
        self._fields = fields

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: str) -> Any:
        if key not in self._fields:
            known = ", ".join(sorted(self._fields))
            raise TemplateError(f"there is no field {self._name}.{key}: expected one of {known}")
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


_SAMPLE: Values = {
    "Request": {
        "Method": "GET", "RequestURI": "/", "ContentLength": 0, "UserAgent": "", "Referer": "",
        "RemoteAddr": "127.0.0.1", "Proto": "HTTP/1.1", "Host": "h", "Header": {}, "TLS": None,
    },
    "Response": {"Code": 200, "Size": 0, "Latency": 0.001},
    "Revision": {
        "Name": "r", "Namespace": "n", "Service": "s", "Configuration": "c", "PodName": "p",
        "PodIP": "127.0.0.1",
    },
    "TraceID": "",
}  # fmt: skip


def parse(source: str) -> Template:
    """The template of `source`, if every request can be written with it.

    Raises:
        TemplateError: it cannot be read, or uses what there is not.
    """
    template = Template.parse(source)
    groups = {
        name: _Fields(f".{name}", value) if isinstance(value, dict) else value
        for name, value in _SAMPLE.items()
    }
    template.render(_Fields("", groups))
    return template
