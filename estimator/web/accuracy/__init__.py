"""Page "Accuracy"."""
