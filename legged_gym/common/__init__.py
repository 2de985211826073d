"""Errors, rotations, console, paths and seeds, which all other parts use. It imports nothing else of the package."""
