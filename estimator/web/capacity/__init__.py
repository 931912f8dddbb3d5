"""The page "Capacity"."""
