"""Ways in: each is thin over `Session` and knows only data types."""
