"""Web front end: pages are functions, with all state in the URL."""
