"""Page: what an answer of a language model takes to serve."""
