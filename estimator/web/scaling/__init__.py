"""The page "Scaling laws"."""
