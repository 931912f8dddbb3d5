"""Page "Brain and machine"."""
