"""All settings of a training, with units, defaults and valid values."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen

from legged_gym.envs.base.admissible import (
    Activation,
    AnyCase,
    Count,
    Factor,
    Layers,
    Multiplier,
    Name,
    Positive,
    Share,
)
from legged_gym.envs.base.base_config import BaseConfig


class LeggedRobotCfgPPO(BaseConfig):
    """Settings of the training."""

    seed: Annotated[int, Ge(-1), Lt(2**32)] = 42
    """Seed of all random numbers; -1 draws one."""
    runner_class_name: str = "legged_gym.runners:OnPolicyRunner"
    """``module:Class`` of the runner, which collects, learns and saves."""

    class policy:
        init_noise_std: Annotated[float, Gt(0), Le(100)] = 1.0
        """Standard deviation of the first actions."""
        actor_hidden_dims: Layers = [512, 256, 128]
        critic_hidden_dims: Layers = [512, 256, 128]
        """Widths of the hidden layers."""
        activation: Activation = "elu"
        """Nonlinearity between the layers."""
        class_name: str = "ActorCritic"
        """``ActorCritic``: feed-forward networks; ``ActorCriticRecurrent``: with a recurrent layer before them; or the
            ``module:Class`` of a model like those in ``rsl_rl.models``."""
        rnn_type: Annotated[Literal["lstm", "gru"], AnyCase] = "lstm"
        """Kind of recurrent layers."""
        rnn_hidden_size: Annotated[int, Ge(1), Le(65536)] = 256
        """Size of a recurrent layer's hidden state."""
        rnn_num_layers: Annotated[int, Ge(1), Le(20)] = 1
        """Number of recurrent layers."""
        empirical_normalization: bool = False
        """Normalise the observations of actor and critic by their running mean and standard deviation."""

    class algorithm:
        class_name: str = "rsl_rl.algorithms:PPO"
        """``module:Class`` of the algorithm."""
        value_loss_coef: Multiplier = 1.0
        """Weight of the critic's loss."""
        use_clipped_value_loss: bool = True
        """Also clip changes of the critic's values, relative to those of the collection."""
        clip_param: Annotated[float, Gt(0), Lt(1)] = 0.2
        """PPO's clip range of the ratio of new and old probability of an action, around 1."""
        entropy_coef: Multiplier = 0.01
        """Weight of the actions' entropy. A higher weight explores more."""
        num_learning_epochs: Annotated[int, Ge(1), Le(1000)] = 5
        """How often an update goes through its samples."""
        num_mini_batches: Count = 4
        """Number of mini-batches. Each gives one step of the optimiser."""
        learning_rate: Annotated[float, Gt(0), Le(1)] = 1e-3
        """Learning rate of Adam; with ``adaptive``, its initial value."""
        schedule: Literal["adaptive", "fixed"] = "adaptive"
        """``adaptive`` follows ``desired_kl``; ``fixed`` keeps the learning rate."""
        gamma: Annotated[float, Gt(0), Le(1)] = 0.99
        """Discount of the reward of the next control step."""
        lam: Share = 0.95
        """λ of generalised advantage estimation."""
        desired_kl: Annotated[float, Gt(0), Le(10)] = 0.01
        """Target of ``adaptive`` for the KL divergence of an update."""
        max_grad_norm: Positive = 1.0
        """Largest norm of the gradients."""

    class symmetry:
        """Left-right symmetry by rsl_rl's extension."""

        function: str = ""
        """``module:function`` that appends mirrored samples: ``f(env, obs, actions) -> (obs, actions)``."""
        data_augmentation: bool = False
        """Learn from mirrored samples, too."""
        mirror_loss_coeff: Multiplier = 0.0
        """Weight of a loss for mirrored actions in mirrored situations; 0: none."""

    class rnd:
        """Curiosity (random network distillation): a reward for observations that a network can't predict yet."""

        weight: Multiplier = 0.0
        """Weight of that reward, per second; 0: none."""
        num_outputs: Annotated[int, Ge(1), Le(65536)] = 1
        """Number of predicted values."""
        predictor_hidden_dims: Layers = [128, 128]
        target_hidden_dims: Layers = [128, 128]
        """Widths of the hidden layers of the predictor and of the target network."""
        activation: Activation = "elu"
        """Nonlinearity between the layers."""
        learning_rate: Annotated[float, Gt(0), Le(1)] = 1e-3
        """Learning rate of the predictor."""
        state_normalization: bool = True
        reward_normalization: bool = True
        """Normalise the network's input, or the reward, by its running standard deviation."""

    class obs_groups:
        actor: list[str] = ["policy"]
        critic: list[str] = ["policy", "privileged"]
        """Observation groups that the network reads."""
        rnd_state: list[str] = ["policy"]
        """Observation groups for curiosity."""

    class runner:
        num_steps_per_env: Annotated[int, Ge(1), Le(100000)] = 24
        """Number of control steps of each robot in an iteration."""
        max_iterations: Count = 10000
        """Total number of iterations of the run, including those before a resume."""
        num_learning_epochs_cpu: Annotated[int, Ge(0), Le(1000)] = 0
        """``algorithm.num_learning_epochs`` of a new training that learns on a CPU; 0: the same as on a GPU."""
        stages: dict[Annotated[int, Ge(0)], dict[str, Factor]] = {}
        """Changes during the training: for each stage, its first iteration and new values of reward scales, the
            entropy coefficient, push velocities, ``terrain.max_level`` or widths of rewards (``sigma``; a GPU then
            records its steps again), e.g. ``{1000: {"rewards.scales.torques": -1e-3, "terrain.max_level": 4}}``."""
        averaged_iterations: Annotated[int, Ge(0), Le(10**9)] = 0
        """Number of last iterations whose policies are averaged at the end; 0: keep the last policy. It is also kept if
            these iterations would start before the last stage, or before the end of a resumed training."""
        estimator_iterations: Annotated[int, Ge(0), Le(10**9)] = 0
        """Iterations after that in which only the estimator learns, to adapt to the averaged policy's gait."""
        denoising_iterations: Annotated[int, Ge(0), Le(10**9)] = 0
        """Last iterations, after those, in which the policy learns to act on noisy observations as its copy acts on
            noise-free ones, and the estimator learns, too; needs ``env.noise_free_group``."""
        denoising_stage: dict[str, Factor] = {}
        """Changes at the first of them, as in ``stages``."""
        save_interval: Count = 100
        """Iterations between checkpoints."""
        keep_checkpoints: Annotated[int, Ge(0), Le(10**9)] = 20
        """Number of checkpoints that are kept, besides the one with the highest mean reward; 0: all."""
        experiment_name: Annotated[Name, MinLen(1)] = "legged_robot"
        """Folder of the runs, inside the log root."""
        policy_class_name: Literal["", "ActorCritic", "ActorCriticRecurrent"] = ""
        """legged_gym's setting for ``policy.class_name``, which it overrides if given."""
        run_name: Name = ""
        """Added to the run's name, which is a time stamp."""
        resume: bool = False
        """Resume a run."""
        load_run: str | int = ""
        """Folder name of the run to load; empty: the newest."""
        checkpoint: Annotated[int, Ge(-1), Le(10**9)] = -1
        """Number of the checkpoint to load; -1: the newest."""
        logger: Annotated[Literal["tensorboard", "wandb", "neptune"], AnyCase] = "tensorboard"
        """Destination of curves. The services get them in addition to TensorBoard."""


class EstimatorCfg(BaseConfig):
    """Settings of an estimator: the section ``estimator`` of trainings that have one."""

    hidden_dims: Layers = [128, 64, 32]
    """Widths of the hidden layers."""
    activation: Activation = "relu"
    """Nonlinearity between the layers."""
    init_std: Annotated[float, Gt(0), Le(100)] = 0.1
    """Standard deviation of the initial weights. Biases start at zero."""
    learning_rate: Annotated[float, Gt(0), Le(1)] = 2e-3
    """Learning rate of Adam at the start."""
    final_learning_rate: Annotated[float, Gt(0), Le(1)] = 4e-4
    """Learning rate at the end."""
    decay_iterations: Count = 2000
    """The learning rate falls linearly over this many iterations, then stays constant."""
    batch_size: Count = 1024
    """Number of samples in a step of the optimiser."""
    num_epochs: Annotated[int, Ge(1), Le(1000)] = 1
    """How often an update goes through its samples."""
    label: str = "label"
    """Observation group of the labels."""


class DistillationCfg(LeggedRobotCfgPPO):
    """Settings of a student's training. It learns to act like a teacher that was trained before and observes more."""

    runner_class_name = "legged_gym.runners:DistillationRunner"

    class algorithm:
        """rsl_rl's distillation."""

        class_name: str = "legged_gym.algorithms.distillation:StudentDistillation"
        num_learning_epochs: Annotated[int, Ge(1), Le(1000)] = 1
        gradient_length: Annotated[int, Ge(1), Le(100000)] = 12
        """Number of control steps for backpropagation through time in a recurrent student."""
        learning_rate: Annotated[float, Gt(0), Le(1)] = 1e-3
        loss_type: Literal["mse", "huber"] = "mse"
        max_grad_norm: Positive = 1.0

    class distillation:
        """The teacher: the actor of a training in the same task, or in a task with the same observations."""

        teacher_experiment: Name = ""
        """Experiment of its runs."""
        teacher_run: str = ""
        """Folder name or path of its run, or path of a checkpoint; empty: the newest run."""
