"""Policies: which one is meant, what it is tied to, how it is loaded, run and exported."""
