"""Telemetry of clusters: Prometheus and Slurm."""
