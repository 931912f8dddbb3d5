"""Page "Methodology"."""
