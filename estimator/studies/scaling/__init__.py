"""What does more compute buy: published scaling laws, and what a budget makes of them."""
