"""The page "Accuracy"."""
