"""Runs logged by other programs: trainers, meters, benchmarks."""
