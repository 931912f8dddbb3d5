"""Claims on the limits of deep learning, recomputed with their sources."""
