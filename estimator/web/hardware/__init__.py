"""Page Hardware and data."""
