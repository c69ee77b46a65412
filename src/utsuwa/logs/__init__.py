"""Logs as files: how they are bounded, read and found, and what their lines say."""
