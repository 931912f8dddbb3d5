"""Meters: cumulative joules of boards, packages and the host."""
