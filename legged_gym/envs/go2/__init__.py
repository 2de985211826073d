"""Unitree's Go2: a quadruped, a second robot beside Qmini."""
