"""Figures that need no server: the formulas of the core, running inside a file."""
