"""Page Question: energy, CO2e, water and electricity of one question to a model."""
