"""Core model in pure numpy: work to time, energy, cost and CO2e, with uncertainty."""
