"""Offline figures: the core's formulas, running inside a file."""
