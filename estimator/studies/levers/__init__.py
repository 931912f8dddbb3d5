"""Savings of smaller networks in memory, time and energy, and their cost in accuracy."""
