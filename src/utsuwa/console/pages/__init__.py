"""View models: pure functions from documents and figures to what a page shows."""
