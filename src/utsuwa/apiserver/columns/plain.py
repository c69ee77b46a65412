"""The columns of kinds that have none of their own."""

from utsuwa.apiserver.columns.cells import AGE, NAME

PLAIN = (NAME, AGE)
