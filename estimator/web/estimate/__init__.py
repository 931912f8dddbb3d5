"""Page Estimate."""
