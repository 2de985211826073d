"""The base of every legged robot's task."""
