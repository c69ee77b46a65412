"""What is wrong with a message, as the answer that says so."""


class BadMessageError(Exception):
    """A message that must not be passed on.

    `status` is what its sender is answered (for a response: what the client is answered, 502).
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
