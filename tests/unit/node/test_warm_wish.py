"""What a Pod's annotation asks of the runtime, and what the Pod says of it."""

import pytest

from utsuwa.model import labels
from utsuwa.model.settings import Settings
from utsuwa.model.validation.template import template_problems


@pytest.mark.parametrize("value", ["true", "false", "app"])
def test_three_values_are_known(value: str) -> None:
    """They are written down in the reference."""
    template = {"metadata": {"annotations": {labels.WARM_PARENT: value}}, "spec": {}}
    found = template_problems(template, {}, Settings())
    assert not [problem for problem in found if labels.WARM_PARENT in problem.paths]


def test_another_value_is_refused() -> None:
    """With what is expected, where it stands, and what was found."""
    template = {"metadata": {"annotations": {labels.WARM_PARENT: "yes"}}, "spec": {}}
    found = template_problems(template, {}, Settings())
    (problem,) = [one for one in found if "invalid value: yes" in one.message]
    assert "expected one of false, true, app" in problem.message
