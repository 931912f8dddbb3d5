"""What does it take to serve a model: latency, throughput, energy, money and CO2 of a token."""
