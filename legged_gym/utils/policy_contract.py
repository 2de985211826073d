"""The contract of a policy, under its former module name, from :mod:`legged_gym.policies.contract`."""

from legged_gym.policies.contract import apply_contract, exported_contract, trained_contract

__all__ = ["apply_contract", "exported_contract", "trained_contract"]
