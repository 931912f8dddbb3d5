"""Published and measured runs against predictions: fits, errors, coverage."""
