"""Programs that were predicted before they ran, written apart from the benchmark and all others."""
