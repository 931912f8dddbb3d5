"""Page "Exercises"."""
