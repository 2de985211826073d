"""A legged robot's observations: the policy's noisy, delayed history, and the critic's privileged values."""

from __future__ import annotations

from itertools import repeat

import torch
from tensordict import TensorDict

from legged_gym.common.labels import Label, LabelLayout, default_components
from legged_gym.envs.base.base_config import BaseConfig, ConfigError
from legged_gym.envs.base.base_task import BaseTask
from legged_gym.envs.base.given import call, tensor_of
from legged_gym.envs.base.observations import NOISE_FREE, LabelTerm, MirrorRule, ObservationLayout, ObsTerm


class LeggedRobotObservations(BaseTask):
    """The observations of :class:`~legged_gym.envs.base.legged_robot.LeggedRobot`."""

    _clean: torch.Tensor | None = None
    _own_privileged: torch.Tensor | None

    def _prepare_observations(self) -> None:
        """Set up the terms, which are evaluated once for their sizes, and start with an empty history."""
        self.obs_layout = ObservationLayout(self._observation_terms(), self.device, self.cfg.noise.noise_level)
        self._privileged = ObservationLayout(self._privileged_terms(), self.device)
        terms = self._label_terms()
        self._labels = ObservationLayout(terms, self.device)
        self.label_layout = LabelLayout(map(_label, terms, self._labels.sizes, repeat(self.foot_names)))
        """The columns of an estimator's label."""
        self.history_length = self.cfg.env.history_length
        self._history = torch.zeros(self.num_envs, self.history_length, self.obs_layout.size, device=self.device)
        self._noise_free = self._history.clone() if self.cfg.env.noise_free_group else None
        longest = self.rand.latency.longest_age(max(self.cfg.domain_rand.observation_delay_range))
        # Computed before the robots are at their starts.
        self._measured_heights = None
        self._past_clean = torch.zeros(self.num_envs, longest, self.obs_layout.size, device=self.device)
        self.obs_buf = self._history.flatten(1)
        given = self.cfg.env.num_observations
        if given and given != self.obs_buf.shape[1]:
            # A user's class may compute observations itself.
            self.obs_buf = torch.zeros(self.num_envs, given, device=self.device)

    def _check_sizes(self) -> None:
        """Compare the configuration's sizes with the real ones."""
        sizes = {
            "num_observations": self.num_obs,
            "num_privileged_obs": self.num_privileged_obs,
            "num_actions": self.num_actions,
        }
        terms = ", ".join(f"{term.name} {size}" for term, size in self.obs_layout.parts)
        for name, size in sizes.items():
            given = getattr(self.cfg.env, name)
            if given and given != size:
                seen = f" ({terms}; terrain.observe_heights adds heights)" if name == "num_observations" else ""
                raise ConfigError(f"config key 'env.{name}' is {given}, but it is {size}{seen}: leave it out")

    def _get_noise_scale_vec(self, cfg: BaseConfig) -> torch.Tensor:
        """Return the largest noise of each component of a step's observation, scaled, (O,)."""
        return self.obs_layout.noise_vec

    def _prepare_noise(self) -> None:
        """Get the noise from the hook, which in legged_gym also sets ``add_noise``."""
        where = f"{type(self).__name__}._get_noise_scale_vec"
        self.noise_scale_vec = tensor_of(f"{where}: its result", self._get_noise_scale_vec(self.cfg), (-1,)).float()
        if not bool((self.noise_scale_vec >= 0.0).all()) or bool(self.noise_scale_vec.isinf().any()):
            raise ConfigError(f"{where} must return finite numbers, 0 or more, got {self.noise_scale_vec.tolist()}")
        if self.noise_scale_vec.shape == self.obs_layout.noise_vec.shape:
            self.obs_layout.noise_vec = self.noise_scale_vec
        elif type(self).compute_observations is LeggedRobotObservations.compute_observations:
            raise ConfigError(
                f"{where} must return the {self.obs_layout.size} noises of a step's observation, "
                f"got {len(self.noise_scale_vec)}"
            )

    def _observe(self) -> None:
        call(self, "compute_observations", "obs_buf")
        self._collect()

    def _collect(self) -> None:
        """Collect the results of :meth:`compute_observations` in groups."""
        clip = self.cfg.normalization.clip_observations
        clean = self._clean
        if clean is None:
            # A user's class computes observations itself.
            clean = self.obs_layout.compute()
            self.obs_buf = self._observed("obs_buf", self.obs_buf).clamp(-clip, clip)
        groups = self._observation_groups(clean)
        if self._noise_free is not None and self._clean is not None:
            groups[NOISE_FREE] = self._noise_free.flatten(1)
        if self._own_privileged is not None:
            groups["privileged"] = self._observed("privileged_obs_buf", self._own_privileged).clamp(-clip, clip)
        self._clean = self._own_privileged = self._measured_heights = None
        self._fresh.zero_()
        self._observations = TensorDict(groups, batch_size=[self.num_envs])
        self._collected = True

    def _observed(self, name: str, value: object) -> torch.Tensor:
        """Return what a class observed by itself, whose size stays what it is in the first step."""
        group = "policy" if name == "obs_buf" else "privileged"
        size = self._observations[group].shape[1] if self.init_done else -1
        where = f"{type(self).__name__}.compute_observations: self.{name}"
        return tensor_of(where, value, (self.num_envs, size)).float()

    def compute_observations(self) -> None:
        """Compute ``obs_buf``, the policy's observation, (N, H·O).

        This step fills the whole history of robots that were reset. A subclass may change or set ``obs_buf`` and
        ``privileged_obs_buf`` itself.
        """
        clip = self.cfg.normalization.clip_observations
        clean = self._clean = self.obs_layout.compute().clamp(-clip, clip)
        sensed = self._delay(clean) if self.rand.delays_observations else clean
        noisy = self.obs_layout.add_noise(sensed) if self.add_noise else sensed
        self._history = self._remember(self._history, noisy.clamp(-clip, clip))
        if self._noise_free is not None:
            self._noise_free = self._remember(self._noise_free, sensed.clamp(-clip, clip))
        self.obs_buf = self._history.flatten(1)

    def _remember(self, history: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Return the history, (N, H, O), with a new step, (N, O), first. In a new episode it fills the history."""
        current = step.unsqueeze(1)
        return torch.where(self._fresh[:, None, None], current, torch.cat((current, history[:, :-1]), dim=1))

    def _delay(self, clean: torch.Tensor) -> torch.Tensor:
        """Return a step's observation, (N, O), from delayed sensors. In a new episode there is nothing older."""
        present = clean.unsqueeze(1)
        past = torch.where(self._fresh[:, None, None], present, self._past_clean)
        self._past_clean = torch.cat((present, past[:, :-1]), dim=1)
        latency, delay = self.rand.latency, self.rand.observation_delay
        if not latency.on_observations:
            return self.obs_layout.delay(clean, past, delay / self.dt)
        delay, imu = latency.ages(delay)
        return self.obs_layout.delay(clean, past, delay / self.dt, imu / self.dt)

    def _observation_groups(self, clean: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the observation groups by name; ``clean`` is the noise-free step, (N, O).

        All of them are new tensors: a runner stores an observation after the next step.
        """
        return {
            "policy": self.obs_buf,
            "privileged": torch.cat((clean, self._privileged.compute()), dim=1),
            "label": self._labels.compute(),
        }

    def mirrored_groups(self) -> dict[str, list[tuple[ObsTerm, int]]]:
        """Return the terms of each observation group and their sizes, in order."""
        step, label = self.obs_layout.parts, self._labels.parts
        return {
            "policy": step * self.history_length,
            NOISE_FREE: step * self.history_length,
            "privileged": step + self._privileged.parts,
            "label": label,
            "estimate": label,
        }

    def _privileged_terms(self) -> list[ObsTerm]:
        """Declare the critic's terms in addition to the noise-free step, in order."""
        scales = self.cfg.normalization.obs_scales
        terms = [ObsTerm("base_lin_vel", lambda: self.base_lin_vel, scales.lin_vel, mirror="vector")]
        terms += self.rand.privileged_terms()
        if self.cfg.terrain.measure_heights and not self.cfg.terrain.observe_heights:
            terms.append(ObsTerm("heights", self._height_samples, scales.height_measurements, mirror="heights"))
        return terms + self.rand.further_privileged_terms()

    def _height_samples(self) -> torch.Tensor:
        """Return the base's height above the ground around it minus ``height_offset``, m, within ±1, (N, H)."""
        offset = self.root_states[:, 2:3] - self.cfg.terrain.height_offset
        return (offset - self.measured_heights).clamp_(-1.0, 1.0)

    def _label_terms(self) -> list[LabelTerm]:
        """Declare an estimator's outputs, in order."""
        scale = self.cfg.normalization.obs_scales.lin_vel
        return [
            LabelTerm("base_lin_vel", lambda: self.base_lin_vel, scale, mirror="vector", kind="velocity", unit="m/s"),
            LabelTerm("foot_contact", lambda: self.feet_contact.float(), mirror="feet", kind="contact"),
        ]

    def _command_scales(self) -> list[float]:
        scales = self.cfg.normalization.obs_scales
        return [scales.lin_vel, scales.lin_vel, scales.ang_vel]

    def _observation_terms(self) -> list[ObsTerm]:
        """Declare one step of the policy's observation, in order."""
        scale, noise = self.cfg.normalization.obs_scales.lin_vel, self.cfg.noise.noise_scales.lin_vel
        velocity = ObsTerm("base_lin_vel", lambda: self.base_lin_vel, scale, noise, mirror="vector")
        return [velocity, *self._measured_terms()]

    def _measured_terms(self) -> list[ObsTerm]:
        """Declare the terms that a robot with an IMU and encoders can measure."""
        scales, noise = self.cfg.normalization.obs_scales, self.cfg.noise.noise_scales
        how = (scales.height_measurements, noise.height_measurements)
        heights = ObsTerm("heights", self._height_samples, *how, sensed=True, mirror="heights")
        return [
            self._imu_term("base_ang_vel", scales.ang_vel, noise.ang_vel, "rotation"),
            self._imu_term("projected_gravity", 1.0, noise.gravity, "vector"),
            ObsTerm("commands", lambda: self.commands[:, :3], self._command_scales(), mirror="command"),
            ObsTerm(
                "dof_pos",
                lambda: self.measured_dof_pos - self.default_dof_pos,
                scales.dof_pos,
                noise.dof_pos,
                sensed=True,
                mirror="joints",
            ),
            ObsTerm("dof_vel", lambda: self.dof_vel, scales.dof_vel, noise.dof_vel, sensed=True, mirror="joints"),
            ObsTerm("actions", lambda: self.actions, mirror="joints"),
            *([heights] if self.cfg.terrain.observe_heights else []),
        ]

    def _imu_term(self, name: str, scale: float, noise: float, mirror: MirrorRule) -> ObsTerm:
        """Declare a term of the IMU, by the name of its tensor."""
        return ObsTerm(name, lambda: getattr(self, name), scale, noise, sensed=True, imu=True, mirror=mirror)


def _label(term: LabelTerm, size: int, feet: list[str]) -> Label:
    if not isinstance(term.scale, int | float):
        raise ConfigError(f"label term '{term.name}' takes one scale, got {term.scale}")
    components = term.components or default_components(term.kind, size, feet)
    if len(components) != size:
        raise ConfigError(f"label term '{term.name}' has {size} columns, but {len(components)} components are named")
    return Label(term.name, term.kind, components, float(term.scale), term.unit)
