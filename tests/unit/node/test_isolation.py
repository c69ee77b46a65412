"""What a process may see, and as whom it runs: pure."""

from pathlib import Path

import pytest

from utsuwa.model import labels
from utsuwa.model.settings import Settings
from utsuwa.model.validation.template import template_problems
from utsuwa.node.isolation import FIRST_USER, Step, World, prefix_of, steps, unwanted, user_of

DATA = Path("/var/lib/utsuwa")


def _steps(
    *needed: str, closed: tuple[str, ...] = (), hidden: Path = DATA
) -> list[tuple[str, Step]]:
    world = World((hidden,), lambda path: str(path) in closed)
    return [(str(path), step) for path, step in steps(map(Path, needed), world)]


def test_the_bundle_is_shown_again_where_the_data_directory_is_covered() -> None:
    """And nothing else of it; the container's own `/tmp` comes first."""
    assert _steps(f"{DATA}/images/one/source", "/usr/bin") == [
        ("/tmp", Step.TEMPORARY),
        ("/var/tmp", Step.TEMPORARY),
        (str(DATA), Step.COVER),
        (f"{DATA}/images/one/source", Step.SHOW),
    ]


def test_what_others_may_not_enter_is_made_anew_on_the_way_to_an_interpreter() -> None:
    """The outermost closed directory is covered, once."""
    found = _steps("/root/.pyenv/versions/3.12", closed=("/root", "/root/.pyenv"))
    assert ("/root", Step.COVER) in found
    assert ("/root/.pyenv", Step.COVER) not in found
    assert ("/root/.pyenv/versions/3.12", Step.SHOW) in found


def test_a_data_directory_within_what_is_shown_is_covered_after_it() -> None:
    """Deeper places come later, so nothing uncovers it again."""
    home = Path("/root/.local/share/utsuwa")
    places = [place for place, _ in _steps("/root/.local", closed=("/root",), hidden=home)]
    assert places.index("/root") < places.index("/root/.local") < places.index(str(home))


def test_a_directory_that_is_open_stays_what_it_is() -> None:
    """Nothing is laid over it, so nothing need be shown."""
    assert ("/opt/python", Step.SHOW) not in _steps("/opt/python")


@pytest.mark.parametrize(
    ("program", "prefix"),
    [
        ("/root/.nvm/versions/node/v20/bin/node", "/root/.nvm/versions/node/v20"),
        ("/root/.local/bin/tool", "/root/.local/bin"),
        ("/root/bin/tool", "/root/bin"),
        ("/home/me/bin/tool", "/home/me/bin"),
        ("/opt/go/bin/go", "/opt/go"),
        ("/root/.pyenv/shims/python", "/root/.pyenv/shims"),
    ],
)
def test_a_program_brings_what_was_installed_with_it_but_nobodys_home(
    program: str, prefix: str
) -> None:
    """A home has more than programs in it."""
    assert prefix_of(Path(program)) == Path(prefix)


def test_a_namespace_has_the_same_user_always_and_none_that_people_have() -> None:
    """So files in a claim stay readable, and two namespaces stay apart."""
    assert user_of("default") == user_of("default") == 1914588639
    assert len({user_of(f"namespace-{number}") for number in range(500)}) == 500
    assert all(FIRST_USER <= user_of(name) < 2**31 for name in ("a", "kube-system", "ä"))


def test_the_annotation_switches_it_off() -> None:
    """Any other value leaves it to the machine."""
    assert unwanted({"metadata": {"annotations": {labels.ISOLATION: "none"}}})
    assert not unwanted({"metadata": {"annotations": {labels.ISOLATION: "auto"}}})
    assert not unwanted({"metadata": {}})


def test_another_value_is_refused() -> None:
    """The message says which there are."""
    template = {"metadata": {"annotations": {labels.ISOLATION: "off"}}, "spec": {}}
    found = template_problems(template, {}, Settings())
    (problem,) = [one for one in found if "invalid value: off" in one.message]
    assert "expected one of auto, none" in problem.message
