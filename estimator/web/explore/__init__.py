"""Page "Sensitivity"."""
