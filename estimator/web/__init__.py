"""The web front end: pages are functions, all their state is in the URL."""
