"""Is it true: claims on the limits of deep learning, recomputed with their sources."""
