"""Cost of depth: parameters, paths, gradients and activations."""
