"""Reports as text, JSON and CSV: one renderer each, for every command and page."""
