"""The page "Sensitivity"."""
