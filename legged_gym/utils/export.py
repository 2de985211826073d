"""Export of policies, under its former module name, from :mod:`legged_gym.policies`."""

from legged_gym.policies.export import ExportError, export_policy, policy_metadata
from legged_gym.policies.export import policy_controller_yaml as controller_yaml

__all__ = ["ExportError", "controller_yaml", "export_policy", "policy_metadata"]
