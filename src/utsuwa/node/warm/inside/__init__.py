"""What runs inside of a bundle's own interpreter: the scout and the warm parent.

A scout runs an app as its interpreter would, and writes down which modules it looks for. A parent
imports those ahead, then forks: each child becomes the app, as if it had been started anew.

Never imported by us: :mod:`start`, run as a script, imports it under another name. Standard
library only, for whatever Python a bundle brings.
"""
