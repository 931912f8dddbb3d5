"""Benchmark that calibrates this machine with small timed workloads."""
