"""The page "Depth"."""
