"""The evaluation: what is asked of a policy, how it is measured, and how the answers are shown.

Nothing is imported here: rollouts, metrics and reports need NumPy only and no simulator.
"""
