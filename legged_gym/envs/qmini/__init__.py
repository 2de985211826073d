"""Qmini, the 10-joint biped to print and build at home."""
