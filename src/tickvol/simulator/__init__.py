"""A simulated exchange that speaks the feed's protocol."""
