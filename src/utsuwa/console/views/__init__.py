"""Handlers: each asks for what a page needs, as the user who is signed in, and answers data."""
