"""Inference: latency, throughput, energy, money and CO2e per token."""

from estimator.inference import messages as messages
