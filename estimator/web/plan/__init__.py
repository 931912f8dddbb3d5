"""Page "Plan"."""
