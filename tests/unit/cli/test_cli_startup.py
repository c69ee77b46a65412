"""The command line starts in the time of a blink: what it needs is imported when it is needed."""

import resource
import subprocess
import sys

import pytest

_HEAVY = (
    "aiohttp", "asyncio", "cryptography", "h2", "httptools", "jinja2", "msgspec", "rich", "ssl",
    "sqlite3", "uvloop", "yaml",
)  # fmt: skip
_BUDGET = 0.150


def _modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("code", ["import utsuwa.cli", "import utsuwa.cli.root"])
def test_importing_the_command_line_imports_nothing_heavy(code: str) -> None:
    """The overview and completion need click alone."""
    assert not _modules_after(code) & set(_HEAVY)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["up", "deploy", "services", "logs", "demo", "build", "explain"]
)
def test_the_help_of_a_command_imports_nothing_heavy(command: str) -> None:
    """A module of a command must not import what only its running needs."""
    code = f"from utsuwa.cli.root import root; root.get_command(None, {command!r})"
    assert not _modules_after(code) & set(_HEAVY)


@pytest.mark.slow
def test_help_costs_less_than_150_ms_of_processor_time() -> None:
    """Processor time, not wall time: other tests may run beside this one. The best of five."""
    costs = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "utsuwa.cli", "--help"]
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(costs) < _BUDGET
