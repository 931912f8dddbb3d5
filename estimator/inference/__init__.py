"""Inference: latency, throughput, energy, cost and CO2e per token."""

from estimator.inference import messages as messages
