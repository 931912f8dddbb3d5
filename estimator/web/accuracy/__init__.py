"""The page "How right are we?"."""
