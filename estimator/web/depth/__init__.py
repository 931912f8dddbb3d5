"""Page "Depth"."""
