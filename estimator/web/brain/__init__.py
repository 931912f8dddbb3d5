"""The page "Brain"."""
