"""Compression levers: savings in memory, time and energy, and their cost in accuracy."""
