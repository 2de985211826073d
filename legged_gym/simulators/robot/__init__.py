"""Reading robots' files: what is in them takes effect or is refused, and nothing else is read."""
