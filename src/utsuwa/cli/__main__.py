"""`python -m utsuwa.cli` is `utsuwa`."""

from utsuwa.cli import main

main()
