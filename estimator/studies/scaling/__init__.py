"""Scaling laws: the return on more compute, and the best use of a budget."""
