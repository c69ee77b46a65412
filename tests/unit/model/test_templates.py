"""The subset of Go templates (`spec/config.md` §6.1)."""

from typing import Any

import pytest

from utsuwa.model.settings.templates import Template, TemplateError

VALUES: dict[str, Any] = {
    "Name": "hello",
    "Empty": "",
    "Count": 3,
    "Labels": {"app": "x", "a.b/c": "y"},
    "Request": {"Method": "GET"},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("{{.Name}}", "hello"),
        ("{{ .Name }}.{{.Labels.app}}", "hello.x"),
        ('{{index .Labels "a.b/c"}}', "y"),
        ('{{index .Labels "missing"}}', ""),
        ("{{.Labels.missing}}", ""),
        ("a {{- .Name -}} b", "ahellob"),
        ("a {{ .Name }} b", "a hello b"),
        ("{{if .Empty}}yes{{else}}no{{end}}", "no"),
        ('{{if eq .Name "a" "hello"}}yes{{end}}', "yes"),
        ('{{if ne .Name "hello"}}1{{else if .Count}}2{{else}}3{{end}}', "2"),
        ("{{if not .Empty}}{{if .Name}}in{{end}}{{end}}", "in"),
        ('{{printf "%s-%d-%q%%" .Name .Count "x"}}', 'hello-3-"x"%'),
        ('{{.Name | printf "%s.%s" "a"}}', "a.hello"),
        ('{{(index .Labels "app") | len}}', "1"),
        ("{{and .Name .Empty}}|{{or .Empty .Name}}", "|hello"),
        ("{{/* nothing */}}x", "x"),
        ("{{`raw`}}{{true}}{{1.5}}", "rawtrue1.5"),
        ('{{js "a\\"<b"}}', 'a\\"\\u003Cb'),
        ('{{urlquery "a b"}}', "a+b"),
        ("{{.Labels}}", "map[a.b/c:y app:x]"),
        ("{{.Request.Method}}", "GET"),
    ],
)
def test_templates_render_as_go_renders_them(source: str, expected: str) -> None:
    """Each form that operators use."""
    assert Template.parse(source).render(VALUES) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{.Name",
        "{{end}}",
        "{{if .Name}}",
        "{{if .Name}}{{else}}{{else}}{{end}}",
        "{{if .Name}}{{else nothing}}{{end}}",
        "{{range .Labels}}{{end}}",
        "{{nothing .Name}}",
        "{{.Name .Name}}",
        "{{}}",
        "{{(.Name}}",
        "{{.Name}})}}{{ ) }}",
        "{{#}}",
    ],
)
def test_what_is_no_template_is_refused_when_parsed(source: str) -> None:
    """Operators learn of it when they write the map, not when a Route is rendered."""
    with pytest.raises(TemplateError):
        Template.parse(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{.Nothing}}",
        "{{.Name.Deeper}}",
        '{{index .Name "x"}}',
        '{{printf "%s"}}',
        '{{printf "x" .Name}}',
        "{{len .Count}}",
        "{{eq .Name}}",
    ],
)
def test_what_cannot_be_rendered_says_so(source: str) -> None:
    """TemplateError, which is a ValueError."""
    with pytest.raises(TemplateError):
        Template.parse(source).render(VALUES)


def test_templates_are_equal_by_their_text() -> None:
    """Settings are compared to see whether anything changed."""
    assert Template("{{.Name}}") == Template("{{.Name}}")
    assert Template("{{.Name}}") != Template("{{ .Name}}")
