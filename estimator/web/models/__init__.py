"""Page Models."""
