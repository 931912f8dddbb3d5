"""Measured runs correct utilization and power; what to measure next."""
