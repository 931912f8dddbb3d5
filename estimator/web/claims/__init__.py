"""The page "Claims, checked"."""
