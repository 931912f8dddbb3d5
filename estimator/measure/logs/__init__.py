"""Runs that were logged by another program: a trainer, a meter, a benchmark."""
