"""What the claims about speed rest on; `python -m benchmarks` prints them all."""
