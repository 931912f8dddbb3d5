"""Which architecture a config of each family describes."""
