"""Qmini's published figures, typed out once more: a changed default must be meant."""

from __future__ import annotations

import pytest

from legged_gym.envs import QminiPublishedCfg, QminiPublishedCfgPPO
from legged_gym.envs.base.base_config import BaseConfig

REWARDS = {
    "tracking_lin_vel_x": 1.2,
    "tracking_lin_vel_y": 0.1,
    "tracking_ang_vel": 1.0,
    "alive": 0.3,
    "gait_match": 0.3,
    "gait_feet_air_time": 4.0,
    "gait_feet_swing_height": -50.0,
    "contact_no_vel": -2.0,
    "feet_orientation": -2.0,
    "feet_contact_forces": -0.005,
    "base_height": -40.0,
    "base_orientation": -1.5,
    "lin_vel_z": -0.5,
    "ang_vel_xy": -0.025,
    "hip_close_to_default": -1.0,
    "stand_still": -1.0,
    "action": -5e-4,
    "action_rate": -5e-3,
    "collision": -1.5,
    "termination": -200.0,
}
REWARD_FIGURES = {
    "only_positive_rewards": False,
    "lin_vel_sigma": 0.04,
    "lin_vel_y_tolerance": 0.2,
    "ang_vel_sigma": 0.16,
    "air_time_cap": 1.2,
    "foot_height": 0.095,
    "swing_height": 0.05,
    "max_contact_force": 140.0,
    "base_height_target": 0.41,
    "base_pitch_target": 0.05,
    "foot_contact_force": 2.0,
    "contact_force_threshold": 1.0,
    "collision_force_threshold": 0.1,
    "heights_above_mean": True,
}
COMMANDS = {
    "resampling_time": 5.0,
    "dead_band": [0.05, 0.05, 0.1],
    "ranges.lin_vel_x": [-0.5, 0.6],
    "ranges.lin_vel_y": [0.0, 0.0],
    "ranges.ang_vel_yaw": [-0.6, 0.6],
}
START = {
    "pos": [0.0, 0.0, 0.48],
    "rot": [0.0, 0.0, 0.0, 1.0],
    "lin_vel": [0.0, 0.0, 0.0],
    "ang_vel": [0.0, 0.0, 0.0],
    "default_joint_angles": {
        "hip_yaw_l": 0.35, "hip_roll_l": 0.0, "hip_pitch_l": -1.45, "knee_pitch_l": 1.15, "ankle_pitch_l": -1.18,
        "hip_yaw_r": -0.35, "hip_roll_r": 0.0, "hip_pitch_r": 1.45, "knee_pitch_r": -1.15, "ankle_pitch_r": 1.18,
    },
    "joint_noise": {"yaw": 0.1, "roll": 0.1, "pitch": 0.2},
    "velocity_noise": 0.1,
    "orientation_noise": 0.1,
}  # fmt: skip
CONTROL = {
    "stiffness": {"hip_yaw": 20.0, "hip_roll": 60.0, "hip_pitch": 30.0, "knee_pitch": 30.0, "ankle_pitch": 20.0},
    "damping": {"hip_yaw": 0.75, "hip_roll": 2.0, "hip_pitch": 1.0, "knee_pitch": 1.0, "ankle_pitch": 0.75},
    "action_scale": 0.25,
    "decimation": 4,
}
CONTACTS = {"penalize_contacts_on": ["hip", "knee"], "terminate_after_contacts_on": ["base", "hip", "knee"]}
RANDOMISATION = {
    "randomize_friction": True,
    "friction_range": [0.55, 1.125],
    "randomize_base_mass": True,
    "added_mass_range": [-1.0, 3.0],
    "randomize_base_com": True,
    "added_com_range_x": [-0.02, 0.03],
    "added_com_range_y": [-0.01, 0.01],
    "added_com_range_z": [-0.01, 0.01],
    "randomize_joint_dynamics": True,
    "joint_friction_range": [1e-4, 1e-2],
    "joint_damping_range": [1e-3, 1e-2],
    "joint_armature_range": [1e-3, 1e-2],
    "randomize_gains": True,
    "stiffness_multiplier_range": [0.8, 1.2],
    "damping_multiplier_range": [0.8, 1.2],
    "torque_multiplier_range": [0.8, 1.2],
    "randomize_joint_offset": False,
    "redraw_gains": False,
    "push_together": True,
    "joint_offset_range": [-0.026, 0.026],
    "push_robots": True,
    "push_interval_s": 5.0,
    "max_push_vel_x": 0.2,
    "max_push_vel_y": 0.1,
}
TERRAIN = {
    "mesh_type": "heightfield",
    "curriculum": True,
    "num_rows": 10,
    "num_cols": 20,
    "terrain_length": 5.0,
    "terrain_width": 5.0,
    "horizontal_scale": 0.1,
    "border_size": 25.0,
    "max_init_terrain_level": 0,
    "terrain_proportions": {
        "smooth_slope": 0.2, "rough_slope": 0.2, "stairs_up": 0.1, "stairs_down": 0.1, "discrete": 0.4,
    },
    "slope_max": 0.1,
    "roughness_max": 0.01,
    "step_height_max": 0.02,
    "step_width": 0.31,
    "obstacle_height_max": 0.02,
    "obstacle_width": [1.0, 2.0],
    "platform_size": 3.0,
    "level_change_probability": 0.1,
    "measure_heights": True,
    "height_offset": 0.5,
    "measured_points_x": [
        -0.8, -0.7, -0.6, -0.5, -0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8,
    ],
    "measured_points_y": [-0.5, -0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
}  # fmt: skip
ENVIRONMENT = {
    "env": {"episode_length_s": 20.02, "history_length": 5},
    "sim": {"dt": 0.005},
    "gait": {"period": 0.5, "offset": 0.5, "stance_ratio": 0.55},
    "noise": {"add_noise": True, "noise_level": 1.0},
    "noise.noise_scales": {"ang_vel": 0.2, "gravity": 0.05, "dof_pos": 0.01, "dof_vel": 1.5},
    "normalization": {"clip_observations": 100.0, "clip_actions": 100.0},
    "normalization.obs_scales": {
        "lin_vel": 2.0, "ang_vel": 0.25, "dof_pos": 1.0, "dof_vel": 0.05, "height_measurements": 5.0,
    },
    "rewards": REWARD_FIGURES,
    "commands": COMMANDS,
    "init_state": START,
    "control": CONTROL,
    "asset": CONTACTS,
    "domain_rand": RANDOMISATION,
    "terrain": TERRAIN,
}  # fmt: skip
TRAINING = {
    "policy": {
        "actor_hidden_dims": [512, 256, 128],
        "critic_hidden_dims": [512, 256, 128],
        "activation": "elu",
        "init_noise_std": 1.0,
    },
    "algorithm": {
        "num_learning_epochs": 5,
        "num_mini_batches": 4,
        "clip_param": 0.2,
        "gamma": 0.99,
        "lam": 0.95,
        "entropy_coef": 0.01,
        "learning_rate": 1e-3,
        "schedule": "adaptive",
        "desired_kl": 0.01,
        "max_grad_norm": 1.0,
        "use_clipped_value_loss": True,
    },
    "estimator": {
        "hidden_dims": [128, 64, 32],
        "activation": "relu",
        "init_std": 0.1,
        "learning_rate": 2e-3,
        "final_learning_rate": 4e-4,
        "decay_iterations": 2000,
        "num_epochs": 1,
        "batch_size": 1024,
    },
    "obs_groups": {
        "actor": ["policy", "estimate"],
        "critic": ["policy", "estimate", "privileged"],
        "estimator_input": ["policy"],
    },
    "runner": {"num_steps_per_env": 24, "save_interval": 100, "max_iterations": 10_000},
}


def value(cfg: BaseConfig, key: str) -> object:
    found: object = cfg
    for name in key.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize(("cfg_class", "figures"), [(QminiPublishedCfg, ENVIRONMENT), (QminiPublishedCfgPPO, TRAINING)])
def test_figures_are_the_published_ones(cfg_class: type[BaseConfig], figures: dict[str, dict[str, object]]) -> None:
    cfg = cfg_class()
    expected = {f"{section}.{name}": number for section, entries in figures.items() for name, number in entries.items()}
    assert {key: value(cfg, key) for key in expected} == expected


def test_there_are_these_rewards_and_no_others() -> None:
    assert QminiPublishedCfg().rewards.scales.to_dict() == REWARDS


def test_noise_is_on_nothing_else() -> None:
    assert set(QminiPublishedCfg().noise.noise_scales.names()) == {
        "ang_vel", "gravity", "dof_pos", "dof_vel", "height_measurements",
    }, "heights are not observed"  # fmt: skip
    assert not QminiPublishedCfg().terrain.observe_heights


def test_seed() -> None:
    assert QminiPublishedCfgPPO().seed == 42
