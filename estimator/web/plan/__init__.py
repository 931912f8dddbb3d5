"""The page "Plan"."""
