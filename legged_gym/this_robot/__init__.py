"""From the simulation to one robot: its logs, what they show of it, and the simulated robot that is like it."""
