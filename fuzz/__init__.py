"""Coverage-guided fuzzing of the gateway's two entries: `make fuzz`, `python -m fuzz --help`."""
