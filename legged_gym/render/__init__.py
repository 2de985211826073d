"""Pictures and films of a scene."""
