"""`utsuwa dev`: run a directory, watch it, roll what is saved."""
