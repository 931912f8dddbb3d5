"""Page "Scaling laws"."""
