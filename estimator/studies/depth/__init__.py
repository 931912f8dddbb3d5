"""What does depth cost: parameters, paths, gradients and activations."""
