"""What does it save to shrink a network: memory, time, energy, and the accuracy it costs."""
