"""Which templates of the request log are taken."""

import pytest

from utsuwa.model.settings.observability import REQUEST_LOG_TEMPLATE, Observability
from utsuwa.model.settings.request_log import parse
from utsuwa.model.settings.templates import Template, TemplateError


@pytest.mark.parametrize(
    "source",
    [
        REQUEST_LOG_TEMPLATE.source,
        "TLS: {{.Request.TLS}}",
        "{{.Request.Method}} {{index .Request.Header `X-Request-Id`}} {{.Response.Latency}}",
        '{{.Request.Header.Get "X-Request-Id"}} {{if eq .Response.Code 200}}ok{{end}}',
        "{{.Revision.PodName}} {{.TraceID}}",
        "nothing of it",
    ],
)
def test_documented_fields_may_be_used(source: str) -> None:
    """Of the request, its headers, the answer and the revision."""
    assert parse(source) == Template(source)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{.Request.Method", "unclosed action"),
        ("{{.Nothing}}", "there is no field .Nothing: expected one of Request, Response"),
        ("{{.Request.Body}}", "there is no field .Request.Body: expected one of ContentLength"),
        ("{{.Revision.Node}}", "there is no field .Revision.Node"),
        ("{{range .Request.Header}}{{end}}", "not supported"),
        ('{{.TraceID.Get "x"}}', "has no method Get"),
    ],
)
def test_what_cannot_be_written_is_refused(source: str, why: str) -> None:
    """With the key, and what there is instead."""
    with pytest.raises(TemplateError, match=why.replace(".", r"\.")):
        parse(source)
    with pytest.raises(ValueError, match=r"logging\.request-log-template: .*found"):
        Observability.parse({"logging.request-log-template": source})


def test_a_header_is_found_whatever_its_case() -> None:
    """Go keeps them in one form, and so do we."""
    values = {"Request": {"Header": {"X-Request-Id": ["a", "b"]}}}
    template = parse('{{.Request.Header.Get "x-request-ID"}} {{.Request.Header.Get "Other"}}|')
    assert template.render(values) == "a |"
    shown = parse("{{index .Request.Header `X-Request-Id`}}")
    assert shown.render(values) == "[a b]"
