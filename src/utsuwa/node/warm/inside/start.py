"""Run as a script: imports its own directory as a package of another name, for `__main__` shall be
the app's.

`scout RECORD KIND TARGET ARGUMENT…`, or `parent SETTINGS PAD`.
"""

import importlib.util
import os
import sys
from typing import Any

_NAME = "_utsuwa_warm"


def _package() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        _NAME, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None
    sys.modules[_NAME] = importlib.util.module_from_spec(spec)


if __name__ == "__main__":
    _package()
    role, *arguments = sys.argv[1:]
    app: Any = importlib.import_module(f"{_NAME}.app")
    if role == "scout":
        entry = app.scout(*arguments)
    else:
        entry = importlib.import_module(f"{_NAME}.parent").parent(*arguments)
    app.finish(entry)
