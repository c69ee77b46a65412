"""What the objects are: kinds, names, labels, defaults, validation, conditions. Pure."""
