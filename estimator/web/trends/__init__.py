"""Page "Trends"."""
