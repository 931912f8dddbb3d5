"""The page "Compression"."""
