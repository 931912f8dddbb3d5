"""Page "Fact checks"."""
