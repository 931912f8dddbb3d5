"""What share of the peak a run reaches."""
