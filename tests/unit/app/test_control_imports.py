"""What control is made of: what it loads is most of what it weighs while nothing happens (A12)."""

import subprocess
import sys

EXTRAS = {"opentelemetry", "grpc", "google", "requests", "PIL", "aiodocker", "textual"}
"""Loaded when they are asked for: tracing, pictures, containers."""
NOT_FOR_CONTROL = {"click", "rich", "h2", "httptools", "prometheus_client", "unittest", "pydoc"}
OURS = {"utsuwa.cli", "utsuwa.gateway", "utsuwa.app.observe", "utsuwa.app.demo", "utsuwa.testing"}


def loaded() -> set[str]:
    """Every module that control has at its start."""
    code = "import sys, utsuwa.app.control; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_control_loads_nothing_that_it_does_not_need() -> None:
    """Neither extras before they are used, nor what is for other processes."""
    modules = loaded()
    tops = {name.partition(".")[0] for name in modules}
    assert tops & (EXTRAS | NOT_FOR_CONTROL) == set()
    assert {name for name in modules if any(name.startswith(one) for one in OURS)} == set()
