"""The page "Shrink it"."""
