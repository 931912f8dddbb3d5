"""Home page: common questions."""
