"""Measuring how fast simulation and learning are."""
