"""The page Hardware and data."""
