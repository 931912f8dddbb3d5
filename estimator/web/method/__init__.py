"""The page "Methodology"."""
