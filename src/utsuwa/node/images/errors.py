"""What can go wrong while a bundle is built."""


class BuildError(Exception):
    """The directory cannot become a bundle; the message says what was found and what to do."""
