"""How a command fails: one line why, one line what to do."""


class Failure(Exception):  # noqa: N818  (it is the outcome of a command, as its exit code is)
    """A command did not do what it was asked to. Exit code 1."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return f"utsuwa: {self.why}" + (f"\n  {self.hint}" if self.hint else "")
