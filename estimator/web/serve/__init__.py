"""Page Inference: cost of serving a request of a language model."""
