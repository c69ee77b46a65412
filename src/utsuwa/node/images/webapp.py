"""A Python file that defines an app and starts no server: which server runs it.

As Cloud Run's builders do it: the object is named `app`, the server is one that the directory
asks for itself. The file is read, not run. One that starts a server on `$PORT` is left alone.
"""

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from utsuwa.node.images.errors import BuildError

_ASGI = frozenset(
    {"FastAPI", "Starlette", "Quart", "Litestar", "BlackSheep", "get_asgi_application"}
)
_WSGI = frozenset({"Flask", "Bottle", "APIFlask", "OpenAPI", "get_wsgi_application"})
_STARTS = frozenset(
    {
        "app", "main", "run", "run_app", "run_simple", "run_until_complete", "serve",
        "serve_forever", "start",
    }
)  # fmt: skip
"""What calls that do not come back are named."""
_SERVERS = {
    "gunicorn": "gunicorn --bind 127.0.0.1:$PORT --workers 1 --threads 8 --timeout 0 {app}",
    "uvicorn": "uvicorn --host 127.0.0.1 --port $PORT {app}",
    "hypercorn": "hypercorn --bind 127.0.0.1:$PORT {app}",
    "waitress": "waitress-serve --listen=127.0.0.1:$PORT {app}",
}
_FOR_ASGI = ("uvicorn", "hypercorn")
_FOR_WSGI = ("gunicorn", "waitress")
_FOR_EITHER = ("gunicorn", "uvicorn", "hypercorn", "waitress")


def server_of(file: Path, packages: Collection[str]) -> str:
    """The command that serves the `app` of `file` with one of `packages`; "" where the file is
    to be run as it is.

    Raises:
        BuildError: it needs a server, and the directory asks for none that fits.
    """
    text = file.read_text(errors="replace")
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        return ""  # whoever runs it tells the line
    maker = _maker(module)
    if maker is None:
        return ""
    starts = any(_starts(module))
    if starts and ("PORT" in text or maker not in _ASGI | _WSGI):
        return ""
    fitting = _FOR_ASGI if maker in _ASGI else _FOR_WSGI if maker in _WSGI else _FOR_EITHER
    server = next((one for one in fitting if one in packages), "")
    if server:
        return f"exec {_SERVERS[server].format(app=f'{file.stem}:app')}"
    if starts or fitting is _FOR_EITHER:
        return ""
    found = ", ".join(sorted(packages)[:10]) or "no packages"
    raise BuildError(
        f"{file}: defines `app` ({maker}) and starts no server. Expected {' or '.join(fitting)} in "
        f"requirements.txt or pyproject.toml, which then runs {file.stem}:app; found {found}. Add "
        f"{fitting[0]} there, or a Procfile with a line `web: COMMAND`"
    )


def _maker(module: ast.Module) -> str | None:
    """What makes the `app` of a module: the name that is called, "" where that cannot be seen;
    None: it defines none."""
    maker = None
    for statement in _reached(module.body):
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        if any(isinstance(one, ast.Name) and one.id == "app" for one in targets):
            assert isinstance(statement, ast.Assign | ast.AnnAssign)
            value = statement.value
            maker = (_called(value) if isinstance(value, ast.Call) else "") or maker or ""
    return maker


def _starts(module: ast.Module) -> Iterator[bool]:
    """For each call that is a statement of its own when the file is run: whether it may serve."""
    for statement in _reached(module.body):
        if isinstance(statement, ast.Expr | ast.Assign):
            calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
            yield any(_called(call) in _STARTS for call in calls)


def _reached(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those that are run when the file is, `if __name__ == "__main__"` included; nothing of
    functions and classes."""
    for statement in statements:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for _, value in ast.iter_fields(statement):
            if isinstance(value, list):
                yield from _reached([one for one in value if isinstance(one, ast.stmt)])
                for handler in value:
                    if isinstance(handler, ast.ExceptHandler):
                        yield from _reached(handler.body)


def _called(call: ast.Call) -> str:
    """The last name of what is called: `run` of `app.run()`."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
