"""The page "Brain and machine"."""
