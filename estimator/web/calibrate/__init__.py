"""Page Calibrate."""
