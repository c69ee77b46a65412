"""Packs each application of `app.py` as a bundle of its own.

    python tests/conformance/images/push.py DATA_DIR REPOSITORY

makes `REPOSITORY/NAME:latest` for each, which is what the suite asks for with
`--dockerrepo REPOSITORY`.
"""

import ast
import shutil
import sys
import tempfile
from pathlib import Path

from utsuwa.app.options import Layout
from utsuwa.node.images import ImageStore

APP = Path(__file__).with_name("app.py")


def names() -> list[str]:
    """The images that there are: the keys of `IMAGES`, read without running anything."""
    for node in ast.parse(APP.read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "IMAGES":
            assert isinstance(node.value, ast.Dict)
            return [ast.literal_eval(key) for key in node.value.keys if key is not None]
    raise LookupError(f"{APP}: no table IMAGES")


def push(data_dir: Path, repository: str) -> list[str]:
    """Pack them all; returns their references."""
    store = ImageStore(Layout(data_dir).images)
    made = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in names():
            directory = Path(scratch) / name
            directory.mkdir()
            shutil.copy(APP, directory / "app.py")
            (directory / "Procfile").write_text(f"web: python -u app.py {name}\n")
            made.append(store.build(directory, f"{repository}/{name}:latest").ref)
    return made


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: push.py DATA_DIR REPOSITORY, such as: push.py data localhost/conformance")
    print("\n".join(push(Path(sys.argv[1]), sys.argv[2])))
