"""Page "Compression"."""
