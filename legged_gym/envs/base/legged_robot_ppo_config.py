"""Every setting of a training, with units, defaults and admissible values."""

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
    """Of all random draws; -1 draws one."""
    runner_class_name: str = "legged_gym.runners:OnPolicyRunner"
    """``module:Class`` of what collects, learns and saves."""

    class policy:
        init_noise_std: Annotated[float, Gt(0), Le(100)] = 1.0
        """Standard deviation of the first actions."""
        actor_hidden_dims: Layers = [512, 256, 128]
        critic_hidden_dims: Layers = [512, 256, 128]
        """Widths of the hidden layers."""
        activation: Activation = "elu"
        """Nonlinearity between the layers."""
        class_name: str = "ActorCritic"
        """``ActorCritic``: feed-forward nets; ``ActorCriticRecurrent``: with a memory before them; or the
        ``module:Class`` of a model in the manner of ``rsl_rl.models``."""
        rnn_type: Annotated[Literal["lstm", "gru"], AnyCase] = "lstm"
        """Of recurrent nets."""
        rnn_hidden_size: Annotated[int, Ge(1), Le(65536)] = 256
        """Numbers that each of their layers remembers."""
        rnn_num_layers: Annotated[int, Ge(1), Le(20)] = 1
        """Layers of recurrent nets."""
        empirical_normalization: bool = False
        """Let actor and critic see observations less their mean, divided by their standard deviation so far."""

    class algorithm:
        class_name: str = "rsl_rl.algorithms:PPO"
        """``module:Class`` of what learns."""
        value_loss_coef: Multiplier = 1.0
        """Weight of the critic's loss."""
        use_clipped_value_loss: bool = True
        """Keep the critic's values near those of the collection, too."""
        clip_param: Annotated[float, Gt(0), Lt(1)] = 0.2
        """How far the ratio of new and old probability of an action may be from 1 and still pay."""
        entropy_coef: Multiplier = 0.01
        """Weight of the actions' entropy: higher explores more."""
        num_learning_epochs: Annotated[int, Ge(1), Le(1000)] = 5
        """How often an update goes through its samples."""
        num_mini_batches: Count = 4
        """Parts of the samples, each of which gives one step of the optimiser."""
        learning_rate: Annotated[float, Gt(0), Le(1)] = 1e-3
        """Of Adam; with ``adaptive`` the first one."""
        schedule: Literal["adaptive", "fixed"] = "adaptive"
        """``adaptive`` follows ``desired_kl``; ``fixed`` keeps the learning rate."""
        gamma: Annotated[float, Gt(0), Le(1)] = 0.99
        """Discount of the reward of the next control step."""
        lam: Share = 0.95
        """λ of generalised advantage estimation."""
        desired_kl: Annotated[float, Gt(0), Le(10)] = 0.01
        """KL divergence of an update that ``adaptive`` aims at."""
        max_grad_norm: Positive = 1.0
        """Gradients are scaled down to this norm."""

    class symmetry:
        """Left-right symmetry by rsl_rl's extension."""

        function: str = ""
        """``module:function`` that appends mirrored samples: ``f(env, obs, actions) -> (obs, actions)``."""
        data_augmentation: bool = False
        """Learn from mirrored samples, too."""
        mirror_loss_coeff: Multiplier = 0.0
        """Weight of a loss that asks for mirrored actions in mirrored situations; 0: none."""

    class rnd:
        """Curiosity: a reward for what a net can't predict yet, by rsl_rl's extension."""

        weight: Multiplier = 0.0
        """Of that reward, per second; 0: none."""
        num_outputs: Annotated[int, Ge(1), Le(65536)] = 1
        """Numbers that are predicted."""
        predictor_hidden_dims: Layers = [128, 128]
        target_hidden_dims: Layers = [128, 128]
        """Widths of the hidden layers of what predicts and of what is predicted."""
        activation: Activation = "elu"
        """Nonlinearity between the layers."""
        learning_rate: Annotated[float, Gt(0), Le(1)] = 1e-3
        """Of what predicts."""
        state_normalization: bool = True
        reward_normalization: bool = True
        """Divide what is looked at, or the reward, by its standard deviation so far."""

    class obs_groups:
        actor: list[str] = ["policy"]
        critic: list[str] = ["policy", "privileged"]
        """Observation groups that the net reads."""
        rnd_state: list[str] = ["policy"]
        """What curiosity looks at."""

    class runner:
        num_steps_per_env: Annotated[int, Ge(1), Le(100000)] = 24
        """Control steps of each robot in an iteration."""
        max_iterations: Count = 10000
        """Iterations in all; a resumed run goes on until it has that many."""
        num_learning_epochs_cpu: Annotated[int, Ge(0), Le(1000)] = 0
        """``algorithm.num_learning_epochs`` of a new training that learns on a processor; 0: the same as elsewhere."""
        stages: dict[int, dict[str, Factor]] = {}
        """What changes on the way: from the iteration that a stage begins with to scales of rewards, the entropy's
        coefficient, the velocities of pushes, ``terrain.max_level`` and the widths of rewards (``sigma``; a GPU records
        its steps anew then), e.g. ``{1000: {"rewards.scales.torques": -1e-3, "terrain.max_level": 4}}``."""
        averaged_iterations: Annotated[int, Ge(0), Le(10**9)] = 0
        """A training that comes to its end leaves the mean of its policies after the last so many iterations; 0: the
        last one, also where these would begin before its last stage or before the end of a training that it goes on
        from."""
        estimator_iterations: Annotated[int, Ge(0), Le(10**9)] = 0
        """Iterations after that in which only the estimator learns, to know the mean's gait."""
        denoising_iterations: Annotated[int, Ge(0), Le(10**9)] = 0
        """Iterations after that, the last ones, in which the policy learns from a copy of itself what it would do
        without its sensors' noise, and the estimator beside it; needs ``env.noise_free_group``."""
        denoising_stage: dict[str, Factor] = {}
        """What changes with the first of them, as in one of the ``stages``."""
        save_interval: Count = 100
        """Iterations between checkpoints."""
        keep_checkpoints: Annotated[int, Ge(0), Le(10**9)] = 20
        """Checkpoints of a run that stay, besides the one with the highest mean reward; 0: all."""
        experiment_name: Annotated[Name, MinLen(1)] = "legged_robot"
        """Folder of the runs below the log root."""
        policy_class_name: Literal["", "ActorCritic", "ActorCriticRecurrent"] = ""
        """legged_gym's place for ``policy.class_name``, which it replaces where it is given."""
        run_name: Name = ""
        """Added to the time stamp that names the run."""
        resume: bool = False
        """Go on with a run."""
        load_run: str | int = ""
        """Folder name of the run to load; empty: the newest."""
        checkpoint: Annotated[int, Ge(-1), Le(10**9)] = -1
        """Number of the checkpoint to load; -1: the newest."""
        logger: Annotated[Literal["tensorboard", "wandb", "neptune"], AnyCase] = "tensorboard"
        """Where curves go; the services get them beside TensorBoard."""


class EstimatorCfg(BaseConfig):
    """Settings of an estimator, the section ``estimator`` of trainings that have one."""

    hidden_dims: Layers = [128, 64, 32]
    """Widths of the hidden layers."""
    activation: Activation = "relu"
    """Nonlinearity between the layers."""
    init_std: Annotated[float, Gt(0), Le(100)] = 0.1
    """Standard deviation of the first weights; biases start at zero."""
    learning_rate: Annotated[float, Gt(0), Le(1)] = 2e-3
    """Of Adam, at the beginning."""
    final_learning_rate: Annotated[float, Gt(0), Le(1)] = 4e-4
    """At the end."""
    decay_iterations: Count = 2000
    """The learning rate falls linearly over this many iterations, then stays."""
    batch_size: Count = 1024
    """Samples of a step of the optimiser."""
    num_epochs: Annotated[int, Ge(1), Le(1000)] = 1
    """How often an update goes through its samples."""
    label: str = "label"
    """Observation group that holds the truth."""


class DistillationCfg(LeggedRobotCfgPPO):
    """Settings of a student's training: it learns to act like a teacher that was trained before and sees more."""

    runner_class_name = "legged_gym.runners:DistillationRunner"

    class algorithm:
        """rsl_rl's distillation."""

        class_name: str = "legged_gym.algorithms.distillation:StudentDistillation"
        num_learning_epochs: Annotated[int, Ge(1), Le(1000)] = 1
        gradient_length: Annotated[int, Ge(1), Le(100000)] = 12
        """Control steps over which a recurrent student's errors are followed back."""
        learning_rate: Annotated[float, Gt(0), Le(1)] = 1e-3
        loss_type: Literal["mse", "huber"] = "mse"
        max_grad_norm: Positive = 1.0

    class distillation:
        """Where the teacher is found: the actor of a training in the same task, or in one that observes the same."""

        teacher_experiment: Name = ""
        """Experiment that holds its runs."""
        teacher_run: str = ""
        """Folder name or path of its run, or path of a checkpoint; empty: the newest run."""
