"""Page "Capacity"."""
