"""Sweeps, plans, levers, scaling laws, trends, depth and claims."""
