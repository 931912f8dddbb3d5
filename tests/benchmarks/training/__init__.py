"""Training programs that `calibrate bench` does not contain, written as people write them."""
