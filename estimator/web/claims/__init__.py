"""The page "Fact checks"."""
