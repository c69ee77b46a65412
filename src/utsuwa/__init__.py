"""Utsuwa: Knative Serving and Cloud Run on one machine, without Kubernetes."""

__version__ = "0.1.0"
