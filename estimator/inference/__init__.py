"""What does it take to serve a model: latency, throughput, energy, money and CO2e of a token."""

from estimator.inference import messages as messages
