"""Ways to look at simulated robots: films, windows. All of them only read the simulation's state tensors."""
