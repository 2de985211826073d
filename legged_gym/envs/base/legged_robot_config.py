"""Every setting of a legged robot's task and of its training, with units and defaults.

A robot's configuration inherits from these and changes what differs. SI units, radians, x forward, y left, z up.
"""

from __future__ import annotations

from legged_gym.envs.base.base_config import BaseConfig
from legged_gym.envs.base.motors_config import LatencySettings, MotorSettings


class LeggedRobotCfg(BaseConfig):
    """Settings of the task and of the simulation."""

    class env:
        num_envs = 256
        """Robots simulated at once."""
        num_envs_gpu = 4096
        """Robots of a new training on a GPU, unless the command line says how many."""
        env_spacing = 3.0
        """Distance between robots on a plane, m."""
        episode_length_s = 20.0
        """An episode ends as a time-out after this many seconds."""
        history_length = 1
        """Number of past steps in the policy's observation, the current one included, newest first."""
        log_interval = 24
        """Control steps over which the logged figures are averaged."""

    class terrain:
        mesh_type = "plane"
        """``plane`` or ``heightfield``."""
        horizontal_scale = 0.1
        """Grid spacing of the height field, m."""
        border_size = 25.0
        """Flat border around the tiles, m."""
        curriculum = True
        """Difficulty grows with the row and robots are promoted; otherwise each tile's difficulty is random."""
        friction = 1.0
        """Ground friction where it is not randomised."""
        measure_heights = False
        """Sample the terrain around the base for the critic."""
        measured_points_x = [round(0.1 * i - 0.8, 1) for i in range(17)]
        measured_points_y = [round(0.1 * i - 0.5, 1) for i in range(11)]
        """Where heights are sampled, m, in the base's yaw frame."""
        _free_length = ("measured_points_x", "measured_points_y")
        height_offset = 0.5
        """Sampled heights are seen as ``clip(base z - height_offset - height, ±1)``, m."""
        terrain_length = 5.0
        terrain_width = 5.0
        """Size of a tile, m."""
        num_rows = 10
        """Levels of difficulty."""
        num_cols = 20
        """Columns, shared out among the kinds of terrain."""
        terrain_proportions = [0.2, 0.2, 0.1, 0.1, 0.4]
        """Shares of smooth slope, rough slope, stairs up, stairs down, discrete obstacles."""
        platform_size = 3.0
        """Flat square in the middle of a tile, m."""
        slope_max = 0.1
        """Rise over run at the top level."""
        roughness_max = 0.01
        """Largest deviation of rough ground at the top level, ± m."""
        step_height_max = 0.02
        """Height of a stair at the top level, m."""
        step_width = 0.31
        """Depth of a stair, m."""
        obstacle_height_max = 0.02
        """Height of discrete obstacles at the top level, m."""
        obstacle_width = [1.0, 2.0]
        """Smallest and largest side of an obstacle, m."""
        max_init_terrain_level = 0
        """Robots start at a random level up to this one."""
        level_change_probability = 1.0
        """Chance that a deserved promotion or demotion happens."""

    class commands:
        resampling_time = 5.0
        """Seconds between new commands."""
        dead_band = [0.0, 0.0, 0.0]
        """A command's components up to these (m/s, m/s, rad/s) are set to zero; the robot stands when all are."""
        standing_share = 0.0
        """Share of commands that are exactly zero."""

        class ranges:
            lin_vel_x = [-1.0, 1.0]
            """m/s."""
            lin_vel_y = [-1.0, 1.0]
            """m/s."""
            ang_vel_yaw = [-1.0, 1.0]
            """rad/s."""

    class init_state:
        pos = [0.0, 0.0, 1.0]
        """Start position of the base above the ground, m."""
        rot = [0.0, 0.0, 0.0, 1.0]
        """Start orientation, quaternion xyzw."""
        lin_vel = [0.0, 0.0, 0.0]
        """m/s, world frame."""
        ang_vel = [0.0, 0.0, 0.0]
        """rad/s, world frame."""
        default_joint_angles: dict[str, float] = {}
        """Joint angles at action zero, rad, by joint name."""
        joint_noise: dict[str, float] = {}
        """Uniform ± noise of the start angles, rad, by a part of the joint's name."""
        velocity_noise = 0.0
        """Uniform ± noise of the base's linear (m/s) and angular (rad/s) start velocity."""
        orientation_noise = 0.0
        """Uniform ± noise of the start's roll, pitch and yaw, rad."""
        position_noise = 1.0
        """Uniform ± noise of the start's x and y on a height field, m."""

    class control:
        stiffness: dict[str, float] = {}
        """P gain by a part of the joint's name, N·m/rad."""
        damping: dict[str, float] = {}
        """D gain by a part of the joint's name, N·m·s/rad."""
        action_scale = 0.25
        """Target angle = default angle + action_scale · action."""
        decimation = 4
        """Physics steps per control step."""

    class asset:
        file = ""
        """Path of the URDF, or of an MJCF file (``.xml``); ``{LEGGED_GYM_ROOT_DIR}`` stands for the checkout."""
        name = "legged_robot"
        foot_name = "foot"
        """Part of the names of the feet's links."""
        penalize_contacts_on: list[str] = []
        """Parts of the names of links whose contacts are counted by ``_reward_collision``."""
        terminate_after_contacts_on: list[str] = []
        """Parts of the names of links whose contact ends the episode."""
        terminate_past_tilt = 0.0
        """Angle between the base's z axis and the vertical that ends the episode, too, degrees; 0: none. For robots
        whose controllers give up somewhere there."""
        self_collisions = 1
        """1 disables collisions between the robot's own links, 0 enables them (legged_gym's meaning)."""
        fix_base_link = False
        """Hang the robot in the air."""
        collapse_fixed_joints = True
        """Merge links on fixed joints with those that they are fixed to, except for feet and where the URDF says
        ``dont_collapse="true"``."""
        replace_cylinder_with_capsule = False
        """Let capsules of the same length between their caps' centres collide instead of cylinders: they are longer
        by the radius at each end, collide faster and roll as rounded soles do."""
        balance_inertia = False
        """Let a link whose inertia no body can have turn equally hard about all axes."""
        density = 0.001
        """Of collision shapes of links whose mass the URDF does not say, kg/m³."""
        armature = 0.0
        """Reflected rotor inertia added to all joints, kg·m²."""
        thickness = 0.01
        """Isaac Gym: distance that it keeps between collision shapes, m."""
        linear_damping = 0.0
        """Isaac Gym: share of a link's velocity that it loses, 1/s."""
        angular_damping = 0.0
        """Isaac Gym: share of a link's angular velocity that it loses, 1/s."""
        max_linear_velocity = 1000.0
        """Isaac Gym: m/s."""
        max_angular_velocity = 1000.0
        """Isaac Gym: rad/s."""

    class domain_rand:
        randomize_friction = False
        friction_range = [0.5, 1.25]
        """Coulomb friction of the ground."""
        randomize_base_mass = False
        added_mass_range = [-1.0, 1.0]
        """kg, added to the base; its inertia grows in proportion."""
        randomize_base_com = False
        added_com_range_x = [0.0, 0.0]
        added_com_range_y = [0.0, 0.0]
        added_com_range_z = [0.0, 0.0]
        """m, added to the base's centre of mass."""
        randomize_joint_dynamics = False
        joint_friction_range = [0.0, 0.0]
        """Dry friction of all joints, N·m."""
        joint_damping_range = [0.0, 0.0]
        """Viscous friction of all joints, N·m·s/rad."""
        joint_armature_range = [0.0, 0.0]
        """Reflected rotor inertia of all joints, kg·m²."""
        randomize_gains = False
        stiffness_multiplier_range = [1.0, 1.0]
        damping_multiplier_range = [1.0, 1.0]
        torque_multiplier_range = [1.0, 1.0]
        """Each joint on its own, redrawn at every reset."""
        randomize_joint_offset = False
        joint_offset_range = [0.0, 0.0]
        """Error of each joint's zero, rad, redrawn at every reset."""
        action_delay_range = [0.0, 0.0]
        """Time until an action reaches the motors, s, up to a control step, redrawn at every reset."""
        observation_delay_range = [0.0, 0.0]
        """Age of what the sensors tell, s, up to a control step, redrawn at every reset."""
        push_robots = False
        push_interval_s = 5.0
        """Each robot is pushed once in this time, at a moment of its own."""
        max_push_vel_x = 0.0
        max_push_vel_y = 0.0
        """± m/s added to the base's velocity, world frame."""

    class motors(MotorSettings):
        """What the motors of this robot are like."""

    class latency(LatencySettings):
        """Delays beyond the constant ones of ``domain_rand``."""

    class rewards:
        class scales:
            termination = 0.0
            tracking_lin_vel = 1.0
            tracking_ang_vel = 0.5
            lin_vel_z = -2.0
            ang_vel_xy = -0.05
            orientation = 0.0
            torques = -1e-5
            dof_vel = 0.0
            dof_acc = -2.5e-7
            base_height = 0.0
            feet_air_time = 1.0
            collision = -1.0
            action_rate = -0.01
            stand_still = 0.0

        only_positive_rewards = False
        """Clip the total at zero."""
        tracking_sigma = 0.25
        """Tracking reward = exp(-error² / sigma)."""
        base_height_target = 1.0
        """m above the ground."""
        soft_limit = 0.9
        """Share of a joint's limits beyond which the ``*_limits`` rewards count."""
        max_contact_force = 100.0
        """Forces above are penalised, N."""
        foot_contact_force = 2.0
        """A foot touches when its net contact force is above this, N."""
        contact_force_threshold = 1.0
        """A link other than a foot touches above this, N."""

    class normalization:
        class obs_scales:
            lin_vel = 2.0
            ang_vel = 0.25
            dof_pos = 1.0
            dof_vel = 0.05
            height_measurements = 5.0

        clip_observations = 100.0
        clip_actions = 100.0

    class noise:
        add_noise = True
        noise_level = 1.0
        """Multiplies all of the below."""

        class noise_scales:
            lin_vel = 0.1
            ang_vel = 0.2
            gravity = 0.05
            dof_pos = 0.01
            dof_vel = 1.5

    class sim:
        dt = 0.005
        """Physics step, s."""
        gravity = [0.0, 0.0, -9.81]
        """m/s²."""
        solver_iterations = 20
        """Most iterations of MuJoCo's constraint solver in a step."""
        line_search_iterations = 20
        """Most line-search iterations in each of them."""
        num_threads = 0
        """Threads of the CPU back-end; 0: one per available core."""
        max_contacts = 48
        """Room for contacts on a GPU, per robot on average: all robots share it. Spheres, capsules and boxes that touch
        nothing but the ground need none."""
        max_constraints = 160
        """Room for constraints on a GPU, of each robot: one per joint, joint limit reached and four per contact."""
        cuda_graph = True
        """Record a whole step on a GPU once and replay it. What a task decides in Python, prints or counts is then done
        once; turn it off to debug."""
        compile_step = True
        """Let ``torch.compile`` fuse a recorded step's kernels: steps are faster, the start takes longer."""

        class divergence:
            """What the state of a robot may be at most.

            A state beyond, or one that is not finite, is no physics any more. The episode ends, but it counts neither
            as a fall nor for rewards, statistics and curriculum. One robot's last second is kept in the run's folder.
            """

            max_linear_velocity = 30.0
            """Of every link, m/s."""
            max_angular_velocity = 100.0
            """Of the base, rad/s."""
            max_joint_velocity = 300.0
            """Of each joint, rad/s."""
            max_contact_force = 1e5
            """Net force on each link, N."""
            max_share = 0.2
            """Share of the episodes that may end so; a training with more of them is stopped."""

        class physx:
            """Isaac Gym's own settings, under legged_gym's names; see docs/isaacgym.md."""

            num_threads = 10
            """Threads of its CPU pipeline."""
            substeps = 1
            """Steps that a physics step is divided into; torques stay the same in all of them."""
            solver_type = 1
            """0: PGS; 1: TGS."""
            num_position_iterations = 4
            num_velocity_iterations = 0
            """Of the solver, in each step."""
            contact_offset = 0.01
            """Shapes nearer than this to each other get contacts, m."""
            rest_offset = 0.0
            """Distance at which shapes come to rest, m."""
            bounce_threshold_velocity = 0.5
            """Slower impacts do not bounce, m/s."""
            max_depenetration_velocity = 1.0
            """Shapes that are inside each other are parted this fast at most, m/s."""
            max_gpu_contact_pairs = 2**23
            """Room for contacts on the GPU, all robots together: 2**24 for 8000 robots and more."""
            default_buffer_size_multiplier = 5.0
            """Makes PhysX's other buffers larger."""
            contact_collection = 2
            """Contact forces are those of 0: no, 1: the last, 2: all of the substeps."""
            velocities_of = "com"
            """Point of a link whose velocity Isaac Gym tells and is told: ``com``, as PhysX does, or ``link``, its
            origin. Its documentation does not say."""
            implicit_damping = False
            """Let its joint drives integrate the D gain implicitly, as both MuJoCo back-ends do. legged_gym holds it
            for a whole physics step, and no more than that is known to work with Isaac Gym."""
            time_out = 60.0
            """Seconds that Isaac Gym's process may take for a control step; its start may take ten times as long."""

    class viewer:
        ref_env = 0
        """The robot that cameras follow."""
        pos = [0.9, -1.2, 0.35]
        """Camera position relative to the robot, m."""
        lookat = [0.0, 0.0, -0.1]
        """Point looked at, relative to the robot's base, m."""


class LeggedRobotCfgPPO(BaseConfig):
    """Settings of the training."""

    seed = 42
    runner_class_name = "legged_gym.runners:OnPolicyRunner"

    class policy:
        init_noise_std = 1.0
        """Standard deviation of the first actions."""
        actor_hidden_dims = [512, 256, 128]
        critic_hidden_dims = [512, 256, 128]
        activation = "elu"

    class algorithm:
        class_name = "rsl_rl.algorithms:PPO"
        value_loss_coef = 1.0
        use_clipped_value_loss = True
        clip_param = 0.2
        entropy_coef = 0.01
        num_learning_epochs = 5
        num_mini_batches = 4
        learning_rate = 1e-3
        schedule = "adaptive"
        """``adaptive`` follows ``desired_kl``; ``fixed`` keeps the learning rate."""
        gamma = 0.99
        lam = 0.95
        desired_kl = 0.01
        max_grad_norm = 1.0

    class symmetry:
        """Left-right symmetry by rsl_rl's extension."""

        function = ""
        """``module:function`` that appends mirrored samples: ``f(env, obs, actions) -> (obs, actions)``."""
        data_augmentation = False
        """Learn from mirrored samples, too."""
        mirror_loss_coeff = 0.0
        """Weight of a loss that asks for mirrored actions in mirrored situations; 0: none."""

    class obs_groups:
        actor = ["policy"]
        critic = ["policy", "privileged"]

    class runner:
        num_steps_per_env = 24
        """Control steps of each robot in an iteration."""
        max_iterations = 10000
        """Iterations in all; a resumed run goes on until it has that many."""
        num_learning_epochs_cpu = 0
        """``algorithm.num_learning_epochs`` of a new training that learns on a processor; 0: the same as elsewhere."""
        save_interval = 100
        """Iterations between checkpoints."""
        experiment_name = "legged_robot"
        run_name = ""
        resume = False
        load_run = ""
        """Folder name of the run to load; empty: the newest."""
        checkpoint = -1
        """Number of the checkpoint to load; -1: the newest."""
        logger = "tensorboard"
