"""What every legged robot's task is made of."""
