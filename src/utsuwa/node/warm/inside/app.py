"""The app: run as its interpreter would run it, and scouted."""

import contextlib
import importlib.machinery
import os
import sys
from types import CodeType

HERE = os.path.dirname(os.path.abspath(__file__))

compiled: "dict[str, tuple[bytes, CodeType]]" = {}
"""Scripts by path: their text, and what it was compiled to."""


class Entry:
    """What to run: a script, or a module as with `-m`."""

    def __init__(self, kind: str, target: str, arguments: list[str]) -> None:
        self.kind = kind
        self.target = target
        self.arguments = arguments

    def directory(self) -> str:
        """What the interpreter puts first into `sys.path`."""
        if self.kind == "module":
            return os.getcwd()
        return os.path.dirname(os.path.realpath(self.target))

    def put_path(self) -> None:
        """In place of our own directory."""
        if sys.path and os.path.abspath(sys.path[0] or ".") == HERE:
            sys.path[0] = self.directory()

    def run(self) -> None:
        """Be the app; ends as it ends."""
        sys.argv = [self.target, *self.arguments]
        main = sys.modules["__main__"]
        names = vars(main)
        names.clear()
        names.update(__name__="__main__", __builtins__=__builtins__, __doc__=None)
        names.update(__package__=None, __spec__=None, __annotations__={})
        if self.kind == "module":
            import runpy  # noqa: PLC0415  (only here, as with -m)

            runpy._run_module_as_main(self.target)  # type: ignore[attr-defined]  # noqa: SLF001  (what `-m` calls)
            return
        path = os.path.abspath(self.target)
        loader = importlib.machinery.SourceFileLoader("__main__", path)
        names.update(__file__=path, __cached__=None, __loader__=loader)
        exec(self._code(path), names)

    def compile_ahead(self) -> None:
        """So that no child has to: the compiler writes to a good part of the memory that they
        share. What is wrong with the script is told by the child that runs it."""
        if self.kind == "script":
            with contextlib.suppress(Exception):
                self._code(os.path.abspath(self.target))

    @staticmethod
    def _code(path: str) -> CodeType:
        with open(path, "rb") as file:
            text = file.read()
        known, code = compiled.get(path, (b"", None))
        if code is None or known != text:
            code = compile(text, path, "exec")
            compiled[path] = text, code
        return code


def finish(entry: Entry) -> None:
    """Run the app; what it fails with is told without a word of ours."""
    try:
        entry.run()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(HERE):
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(1)


# --- the scout ------------------------------------------------------------------------------------


class Recorder:
    """Writes down each module that is looked for, in order; finds none itself."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Called by `import`."""
        with contextlib.suppress(OSError):
            os.write(self._file, f"{name}\n".encode())


def scout(record: str, kind: str, target: str, *arguments: str) -> Entry:
    """From now on everything that is imported is written down."""
    entry = Entry(kind, target, list(arguments))
    entry.put_path()
    sys.meta_path.insert(0, Recorder(record))  # it finds nothing
    return entry
