"""What is wrong with a message, as the answer that says so."""


class BadMessageError(Exception):
    """A message that must not be passed on.

    `status` is what its sender is answered (for a response: what the client is answered, 502).
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def late_body(seconds: float) -> BadMessageError:
    """The client has stopped sending in the middle of a request."""
    return BadMessageError(408, f"no more of the request's body came for {seconds:g} s")


class UpgradeOffer(Exception):  # noqa: N818  (it is no error: the client offers to go on in HTTP/2)
    """A request that asks for `Upgrade: h2c`; `settings` is its HTTP2-Settings field."""

    def __init__(self, settings: bytes) -> None:
        super().__init__("Upgrade: h2c")
        self.settings = settings
