"""All settings of a legged robot's task, with units, defaults and valid values. It re-exports the training's.

A robot's configuration inherits from these and changes some values. SI units, radians; x forward, y left, z up.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len

from legged_gym.envs.base.admissible import (
    Angle,
    AngleNoise,
    ComRange,
    Count,
    Damping,
    Delay,
    Force,
    Friction,
    Inertia,
    Length,
    Multiplier,
    Positive,
    Quaternion,
    Range,
    Rule,
    Seconds,
    Share,
    Sign,
    Speed,
    SpeedRange,
    Stiffness,
    Torque,
    Vector,
)
from legged_gym.envs.base.base_config import BaseConfig
from legged_gym.envs.base.legged_robot_ppo_config import LeggedRobotCfgPPO
from legged_gym.envs.base.sections_config import LatencySettings, MotorSettings, PhysxSettings, TerrainSettings

__all__ = ["LeggedRobotCfg", "LeggedRobotCfgPPO"]


class LeggedRobotCfg(BaseConfig):
    """Settings of the task and of the simulation."""

    class env:
        num_envs: Annotated[int, Ge(1), Le(10**6)] = 256
        """Number of robots."""
        num_envs_gpu: Annotated[int, Ge(1), Le(10**6)] = 4096
        """Number of robots of a new training on a GPU, unless the command line gives it."""
        env_spacing: Length = 3.0
        """Distance between robots on a plane, m."""
        episode_length_s: Seconds = 20.0
        """Duration of an episode, s, after which it ends as a time-out."""
        history_length: Annotated[int, Ge(1), Le(1000)] = 1
        """Number of steps in the policy's observation, including the current one, newest first."""
        num_observations: Annotated[int, Ge(0), Le(10**6)] | None = None
        num_privileged_obs: Annotated[int, Ge(0), Le(10**6)] | None = None
        num_actions: Annotated[int, Ge(0), Le(10**6)] | None = None
        """Sizes of the policy's and the critic's observation and of the action, which are counted. A given size must
            match."""
        noise_free_group: bool = False
        """Add the policy's observation without noise, as the group ``noise_free``."""
        send_timeouts: Literal[True] = True
        """Report time-outs to the runner; this is always done."""
        log_interval: Count = 24
        """Number of control steps over which logged metrics are averaged."""

    class terrain(TerrainSettings):
        """The ground."""

    class commands:
        resampling_time: Seconds = 5.0
        """Time between new commands, s."""
        dead_band: Annotated[list[Speed], Len(3, 3)] = [0.0, 0.0, 0.0]
        """Components of a command up to these, m/s, m/s, rad/s, become zero. The robot stands if all are zero."""
        num_commands: Annotated[int, Ge(3), Le(100)] = 3
        """Number of columns of ``commands``: three velocities, perhaps a heading, and those that a task adds."""
        heading_command: bool = False
        """Draw a heading, rad, world frame, into a fourth column. The yaw rate follows it within its range."""
        curriculum: bool = False
        """Widen ``lin_vel_x`` by 0.5 m/s after each episode length in which robots track well."""
        max_curriculum: Speed = 1.0
        """Largest forward speed of the curriculum, m/s."""
        standing_share: Share = 0.0
        """Share of commands that are exactly zero."""
        lateral_share: Share = 1.0
        """Share of the other commands that have a lateral velocity."""
        single_axis_share: Share = 0.0
        """Share of the nonzero commands that have only one component: forward, lateral or yaw, equally often."""
        first_ranges: dict[str, SpeedRange] = {}
        """Initial command limits of an exported controller, by the names of ``ranges``; default: ``ranges``."""

        class ranges:
            lin_vel_x: SpeedRange = [-1.0, 1.0]
            """m/s."""
            lin_vel_y: SpeedRange = [-1.0, 1.0]
            """m/s."""
            ang_vel_yaw: SpeedRange = [-1.0, 1.0]
            """rad/s."""
            heading: Range[Angle] = [-3.14, 3.14]
            """Heading for ``heading_command``, rad."""

    class init_state:
        pos: Annotated[Vector, Rule(lambda at: at[2] >= 0.0, "the last of which is not below 0")] = [0.0, 0.0, 1.0]
        """Start position of the base above the ground, m."""
        rot: Quaternion = [0.0, 0.0, 0.0, 1.0]
        """Start orientation, quaternion xyzw."""
        lin_vel: Vector = [0.0, 0.0, 0.0]
        """Start velocity of the base, m/s, world frame."""
        ang_vel: Vector = [0.0, 0.0, 0.0]
        """Start angular velocity of the base, rad/s, world frame."""
        default_joint_angles: dict[str, Angle] = {}
        """Joint angles at action zero, rad, by joint name."""
        stand_up_joint_angles: dict[str, Angle] = {}
        """Joint angles to which the robot's controller stands up, rad, by joint name; empty: the default ones."""
        stand_up_share: Share = 0.0
        """Episodes start between the default pose and that one, at most this share of the way."""
        joint_noise: dict[str, AngleNoise] = {}
        """Uniform ± noise of the start angles, rad, by a part of the joint's name."""
        velocity_noise: Speed = 0.0
        """Uniform ± noise of the base's linear (m/s) and angular (rad/s) start velocity."""
        orientation_noise: AngleNoise = 0.0
        """Uniform ± noise of the start's roll, pitch and yaw, rad."""
        position_noise: Length = 1.0
        """Uniform ± noise of the start's x and y on a height field, m."""

    class control:
        control_type: Literal["P", "V", "T"] = "P"
        """Meaning of ``action_scale`` · action: a change of the angle, rad, a velocity, rad/s, or a torque, N·m."""
        actuator_network: str = ""
        """A TorchScript file that replaces the gains. It computes torques from angle errors and velocities: an MLP
            for the last physics steps, or an LSTM. See docs/legged_gym.md."""
        stiffness: dict[str, Stiffness] = {}
        """P gain by a part of the joint's name, N·m/rad."""
        damping: dict[str, Damping] = {}
        """D gain by a part of the joint's name, N·m·s/rad."""
        stand_up_stiffness: dict[str, Stiffness] = {}
        """The same while the robot's controller stands up; empty: as above."""
        stand_up_damping: dict[str, Damping] = {}
        """The same while the robot's controller stands up; empty: as above."""
        action_scale: Annotated[float, Gt(0), Le(1e4)] = 0.25
        """Target angle = default angle + action_scale · action."""
        decimation: Annotated[int, Ge(1), Le(1000)] = 4
        """Physics steps per control step."""

    class asset:
        file: str = ""
        """Path of the URDF, or of an MJCF file (``.xml``). ``{LEGGED_GYM_ROOT_DIR}`` is the checkout."""
        name: str = "legged_robot"
        """Name of the robot, for the simulator and for exported files."""
        foot_name: str = "foot"
        """Part of the names of the feet's links."""
        penalize_contacts_on: list[str] = []
        """Parts of the names of links whose contacts are counted by ``_reward_collision``."""
        terminate_after_contacts_on: list[str] = []
        """Parts of the names of links whose contact ends the episode."""
        mirrored_joints: dict[str, Sign] = {}
        """Sign of each joint's angle when left and right are exchanged, by a part of the joint's name; ``symmetry``
            needs it. It is 1 if the axes point the same way across the robot on both sides, -1 for rolls and yaws."""
        terminate_past_tilt: Annotated[float, Ge(0), Le(180)] = 0.0
        """Angle between the base's z axis and the vertical that also ends the episode, degrees; 0: no limit. For
            robots whose controllers stop at such a tilt."""
        self_collisions: Literal[0, 1] = 1
        """1 disables collisions between the robot's own links, 0 enables them (legged_gym's meaning)."""
        fix_base_link: bool = False
        """Fix the base in the air."""
        collapse_fixed_joints: bool = True
        """Merge links on fixed joints with their parents, except feet and, in the URDF, links with
            ``dont_collapse="true"``."""
        replace_cylinder_with_capsule: bool = False
        """Replace collision cylinders by capsules, which are longer by the radius at each end. They collide faster
            and roll like rounded soles."""
        flip_visual_attachments: Literal[False] = False
        """Meshes are drawn as in the URDF, and never rotated from y-up to z-up."""
        balance_inertia: bool = False
        """Give links with an impossible inertia the same inertia about all axes; links without inertia, a ball's."""
        density: Annotated[float, Ge(0), Le(25000)] = 0.001
        """Density of collision shapes for links without a mass in the URDF, kg/m³."""
        armature: Inertia = 0.0
        """Reflected rotor inertia added to all joints, kg·m²."""
        thickness: Annotated[float, Ge(0), Le(1)] = 0.01
        """Isaac Gym: distance that it keeps between collision shapes, m."""
        linear_damping: Annotated[float, Ge(0), Le(1000)] = 0.0
        """Isaac Gym: linear damping, the share of its velocity that a link loses, 1/s."""
        angular_damping: Annotated[float, Ge(0), Le(1000)] = 0.0
        """Isaac Gym: angular damping, the share of its angular velocity that a link loses, 1/s."""
        max_linear_velocity: Annotated[float, Gt(0), Le(1e4)] = 1000.0
        """Isaac Gym: largest velocity of a link, m/s."""
        max_angular_velocity: Annotated[float, Gt(0), Le(1e4)] = 1000.0
        """Isaac Gym: largest angular velocity of a link, rad/s."""

    class domain_rand:
        randomize_friction: bool = False
        """Draw the ground's friction for each robot."""
        friction_range: Range[Friction] = [0.5, 1.25]
        """Coulomb friction of the ground."""
        randomize_base_mass: bool = False
        """Add a mass to the base of each robot."""
        added_mass_range: Range[Annotated[float, Ge(-1000), Le(1000)]] = [-1.0, 1.0]
        """Mass added to the base, kg. Its inertia grows in proportion."""
        randomize_base_com: bool = False
        """Move the centre of mass of each robot's base."""
        added_com_range_x: ComRange = [0.0, 0.0]
        added_com_range_y: ComRange = [0.0, 0.0]
        added_com_range_z: ComRange = [0.0, 0.0]
        """Shift of the base's centre of mass, m."""
        randomize_joint_dynamics: bool = False
        """Draw friction, damping and armature of the joints of each robot."""
        joint_friction_range: Range[Torque] = [0.0, 0.0]
        """Dry friction of all joints, N·m."""
        joint_damping_range: Range[Damping] = [0.0, 0.0]
        """Viscous friction of all joints, N·m·s/rad."""
        joint_armature_range: Range[Inertia] = [0.0, 0.0]
        """Reflected rotor inertia of all joints, kg·m²."""
        randomize_gains: bool = False
        """Draw factors on gains and torques."""
        stiffness_multiplier_range: Range[Multiplier] = [1.0, 1.0]
        damping_multiplier_range: Range[Multiplier] = [1.0, 1.0]
        torque_multiplier_range: Range[Multiplier] = [1.0, 1.0]
        """Factors on the gains and torques, drawn for each joint."""
        randomize_joint_offset: bool = False
        """Draw errors of the joints' zeros."""
        joint_offset_range: Range[Angle] = [0.0, 0.0]
        """Error of each joint's zero, rad."""
        redraw_gains: bool = True
        """Draw gains and zero errors again at every reset; otherwise each robot keeps its first ones."""
        action_delay_range: Range[Delay] = [0.0, 0.0]
        """Delay until an action reaches the motors, s, at most a control step, drawn at every reset."""
        observation_delay_range: Range[Delay] = [0.0, 0.0]
        """Age of the sensors' values, s, at most a control step, drawn at every reset."""
        push_robots: bool = False
        """Push the robots."""
        push_interval_s: Seconds = 5.0
        """Each robot is pushed once in this time, s."""
        push_together: bool = False
        """Push all robots at once, as in legged_gym; otherwise each one at its own time."""
        max_push_vel_x: Speed = 0.0
        max_push_vel_y: Speed = 0.0
        """Largest push: ± m/s added to the base's velocity, world frame."""
        max_push_vel_xy: Speed = 0.0
        """legged_gym's setting for both."""

    class motors(MotorSettings):
        """Properties of this robot's motors."""

    class latency(LatencySettings):
        """Delays beyond the constant ones of ``domain_rand``."""

    class rewards:
        class scales:
            termination: float = 0.0
            tracking_lin_vel: float = 1.0
            tracking_ang_vel: float = 0.5
            lin_vel_z: float = -2.0
            ang_vel_xy: float = -0.05
            orientation: float = 0.0
            torques: float = -1e-5
            dof_vel: float = 0.0
            dof_acc: float = -2.5e-7
            base_height: float = 0.0
            feet_air_time: float = 1.0
            collision: float = -1.0
            action_rate: float = -0.01
            action_smoothness: float = 0.0
            stand_still: float = 0.0

        only_positive_rewards: bool = False
        """Clip the sum of rewards at zero."""
        tracking_sigma: Positive = 0.25
        """Tracking reward = exp(-error² / sigma)."""
        base_height_target: Length = 1.0
        """Target height of the base above the ground, m."""
        soft_dof_pos_limit: Share = 1.0
        soft_dof_vel_limit: Share = 1.0
        soft_torque_limit: Share = 1.0
        """Shares of a joint's limits beyond which the rewards ``dof_pos_limits``, … count."""
        _renamed = {"soft_limit": ("soft_dof_pos_limit", "soft_dof_vel_limit", "soft_torque_limit")}
        max_contact_force: Force = 100.0
        """Contact forces of feet above this are penalised, N."""
        foot_contact_force: Force = 2.0
        """A foot is in contact if its net contact force is above this, N."""
        contact_force_threshold: Force = 1.0
        """Another link is in contact if its net contact force is above this, N."""
        collision_force_threshold: Force = 1.0
        """Contacts of penalised links count above this force, N."""

    class normalization:
        class obs_scales:
            lin_vel: float = 2.0
            ang_vel: float = 0.25
            dof_pos: float = 1.0
            dof_vel: float = 0.05
            height_measurements: float = 5.0
            """Factors on observations in m/s, rad/s, rad, rad/s and m."""

        clip_observations: Positive = 100.0
        clip_actions: Positive = 100.0
        """Values are clipped to ± this."""

    class noise:
        add_noise: bool = True
        """Add noise to the policy's observation."""
        noise_level: Multiplier = 1.0
        """Factor on all noise below."""

        class noise_scales:
            lin_vel: Speed = 0.1
            ang_vel: Speed = 0.2
            gravity: Speed = 0.05
            dof_pos: Speed = 0.01
            dof_vel: Speed = 1.5
            """Uniform ± noise: m/s, rad/s, gravity's unit vector, rad, rad/s."""
            height_measurements: Length = 0.1
            """Uniform ± noise of sampled heights, m."""

    class sim:
        dt: Annotated[float, Gt(0), Le(0.05)] = 0.005
        """Physics step, s."""
        gravity: Annotated[list[Annotated[float, Ge(-100), Le(100)]], Len(3, 3)] = [0.0, 0.0, -9.81]
        """m/s²."""
        solver_iterations: Annotated[int, Ge(1), Le(10000)] = 20
        """Maximum iterations of MuJoCo's constraint solver in a step."""
        line_search_iterations: Annotated[int, Ge(1), Le(10000)] = 20
        """Maximum line-search iterations in each of them."""
        num_threads: Annotated[int, Ge(0), Le(1024)] = 0
        """Threads of the CPU back-end; 0: one per available core."""
        max_contacts: Annotated[int, Ge(1), Le(10000)] = 48
        """Buffer for contacts on a GPU, mean number per robot: all robots share it. Spheres, capsules and boxes that
            only touch the ground need none."""
        max_constraints: Annotated[int, Ge(1), Le(10000)] = 160
        """Buffer for constraints of a robot on a GPU: one per joint and reached joint limit, four per contact."""
        cuda_graph: bool = True
        """Run a whole step on a GPU as one CUDA graph, which is recorded once. A task's Python code (decisions,
            prints, counters) then only runs once; turn this off to debug."""
        compile_step: bool = True
        """Compile a CUDA graph's kernels with ``torch.compile``: steps are faster, the start takes longer."""

        class divergence:
            """Limits of a robot's state.

            A state beyond them, or one that is not finite, is not physical. The episode ends, but it does not count as
            a fall, nor for rewards, statistics and curriculum. One robot's last second is kept in the run's folder.
            """

            max_linear_velocity: Annotated[float, Gt(0), Le(1000)] = 30.0
            """Velocity of every link, m/s."""
            max_angular_velocity: Annotated[float, Gt(0), Le(1000)] = 100.0
            """Angular velocity of the base, rad/s."""
            max_joint_velocity: Annotated[float, Gt(0), Le(1e4)] = 300.0
            """Velocity of each joint, rad/s."""
            max_contact_force: Annotated[float, Gt(0), Le(1e8)] = 1e5
            """Net force on each link, N."""
            max_share: Share = 0.2
            """Largest share of episodes that may diverge. With more, the training stops."""

        class physx(PhysxSettings):
            """Isaac Gym's own settings, under legged_gym's names; see docs/isaacgym.md."""

    class viewer:
        ref_env: Annotated[int, Ge(0), Le(10**6)] = 0
        """The robot that cameras follow."""
        pos: Vector = [0.9, -1.2, 0.35]
        """Camera position relative to the robot, m."""
        lookat: Vector = [0.0, 0.0, -0.1]
        """Point that the camera looks at, relative to the robot's base, m."""
