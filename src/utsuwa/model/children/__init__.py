"""Builders of child objects: what a parent asks for, as documents. Pure.

A builder says what should exist; the reconciler compares it with what does (:func:`drifted`).
"""
