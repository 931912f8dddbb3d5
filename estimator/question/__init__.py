"""The question, and the numbers it names, each with its provenance."""
