"""How the status of each kind may change: one module a kind, conditions only through its verbs."""
