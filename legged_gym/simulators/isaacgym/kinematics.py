"""States of all links from those of the base and the joints, for back-ends that only know them after a step."""

from __future__ import annotations

import mujoco
import torch

from legged_gym.common.rotations import quat_apply, quat_mul
from legged_gym.simulators.mujoco_model import Scene


class Kinematics:
    """A robot's tree of links, each on at most one hinge or slide at its origin, as every URDF has them."""

    def __init__(self, scene: Scene, device: str) -> None:
        """Read the tree."""
        model, body_ids, joint_ids = scene.model, scene.body_ids, scene.joint_ids
        order = {int(body): i for i, body in enumerate(body_ids)}
        joints = {int(body): i for i, body in enumerate(model.jnt_bodyid[joint_ids])}
        axes = model.jnt_axis[joint_ids]
        self._slides = model.jnt_type[joint_ids] == mujoco.mjtJoint.mjJNT_SLIDE
        self._parents = [order.get(int(parent), -1) for parent in model.body_parentid[body_ids]]
        self._joints = [joints.get(int(body)) for body in body_ids]
        self._axes = torch.tensor(axes, dtype=torch.float32, device=device)
        self._positions = torch.tensor(model.body_pos[body_ids], dtype=torch.float32, device=device)
        self._quats = torch.tensor(model.body_quat[body_ids][:, [1, 2, 3, 0]], dtype=torch.float32, device=device)

    def link_states(self, root: torch.Tensor, dof_pos: torch.Tensor, dof_vel: torch.Tensor) -> torch.Tensor:
        """Compute position, quaternion (xyzw), linear and angular velocity of every link's origin, world frame.

        Args:
            root: States of the base, (n, 13).
            dof_pos: rad, (n, D).
            dof_vel: rad/s, (n, D).

        Returns:
            States, (n, B, 13).
        """
        states = [root]
        for body in range(1, len(self._parents)):
            position, quat, linear, angular = states[self._parents[body]].split((3, 4, 3, 3), dim=1)
            arm = quat_apply(quat, self._positions[body].expand_as(position))
            quat = quat_mul(quat, self._quats[body].expand_as(quat))
            joint = self._joints[body]
            if joint is not None and self._slides[joint]:
                axis = quat_apply(quat, self._axes[joint].expand_as(position))
                arm = arm + axis * dof_pos[:, joint : joint + 1]
                linear = linear + axis * dof_vel[:, joint : joint + 1]
            linear = linear + torch.cross(angular, arm, dim=1)
            if joint is not None and not self._slides[joint]:
                axis = self._axes[joint].expand_as(position)
                half = 0.5 * dof_pos[:, joint : joint + 1]
                quat = quat_mul(quat, torch.cat((axis * half.sin(), half.cos()), dim=1))
                angular = angular + quat_apply(quat, axis) * dof_vel[:, joint : joint + 1]
            states.append(torch.cat((position + arm, quat, linear, angular), dim=1))
        return torch.stack(states, dim=1)
