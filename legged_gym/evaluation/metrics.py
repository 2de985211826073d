"""The metrics of an evaluation: pure functions of a rollout, and a table with their meaning.

Unless a metric says otherwise, it pools the rows of all trials before a fall and later than
:data:`~legged_gym.evaluation.motion.SETTLING` after the start and each new command. It is NaN if there is nothing to
measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from legged_gym.common.controller_rules import TILT_LIMIT
from legged_gym.common.labels import CONTACT_THRESHOLD
from legged_gym.evaluation import body_metrics as body
from legged_gym.evaluation import motion
from legged_gym.evaluation.rollout import Floats, Rollout

WALKING_SPEED = 0.15
"""Metrics of walking leave out commands with less forward or backward velocity than this, m/s."""

_GRAVITY = 9.81


@dataclass(frozen=True)
class Metric:
    """A metric of a scenario's rollout."""

    name: str
    title: str
    """Short title of a column."""
    unit: str
    meaning: str
    measure: Callable[[Rollout], float]
    factor: float = 1.0
    """Factor from the SI value to the shown one, whose unit is ``unit``."""
    digits: int = 3
    """Decimals shown."""

    def show(self, value: float | None) -> str:
        """Return a shown value as text; a dash for NaN."""
        return "-" if value is None or not np.isfinite(value) else f"{value:.{self.digits}f}"


def measure(rollout: Rollout) -> dict[str, float]:
    """Return all metrics of a rollout by name, in their shown units."""
    return {metric.name: metric.factor * metric.measure(rollout) for metric in METRICS}


# --- staying up ----------------------------------------------------------------------------------------------------


def falls(rollout: Rollout) -> float:
    """Share of trials that ended in a fall."""
    return _mean(motion.fell(rollout))


def _past_tilt_limit(rollout: Rollout) -> motion.Mask:
    roll, pitch, _ = motion.roll_pitch_yaw(rollout.base_quat)
    return np.maximum(np.abs(roll), np.abs(pitch)) > TILT_LIMIT


def protection_steps(rollout: Rollout) -> float:
    """Share of rows before a fall, including the first second, past the tilt limit of fall protection."""
    return _mean(_past_tilt_limit(rollout)[motion.up(rollout)])


def protection_trials(rollout: Rollout) -> float:
    """Share of trials that fell or needed fall protection at least once."""
    past = (_past_tilt_limit(rollout) & motion.up(rollout)).any(axis=0)
    return _mean(past | motion.fell(rollout))


# --- doing what it is told -----------------------------------------------------------------------------------------


def _error(rollout: Rollout, axis: int) -> Floats:
    """Return measured minus wanted velocity, (T, N)."""
    return rollout.velocity[..., axis] - rollout.commands[..., axis]


def tracking_rmse(rollout: Rollout, axis: int) -> float:
    """Root mean square of measured minus wanted velocity; axis 0 is forward, 1 lateral, 2 yaw rate."""
    return _rms(_error(rollout, axis)[motion.settled(rollout)])


def tracking_bias(rollout: Rollout, axis: int) -> float:
    """Mean of measured minus wanted velocity."""
    return _mean(_error(rollout, axis)[motion.settled(rollout)])


def tracking_mean_error(rollout: Rollout, axis: int) -> float:
    """Mean over trials of each trial's absolute bias. The oscillation within each step cancels out."""
    return _mean(np.abs(_trial_means(_error(rollout, axis), motion.settled(rollout))))


def sway(rollout: Rollout) -> float:
    """Root mean square of the lateral velocity about each trial's mean."""
    lateral, rows = rollout.lin_vel[..., 1], motion.settled(rollout)
    return _rms((lateral - _trial_means(lateral, rows))[rows])


def drift(rollout: Rollout, reduce: Callable[[Floats], float]) -> float:
    """Largest distance of each standing trial's base from its place after 1 s, m, combined by ``reduce``."""
    chosen = rollout.select(motion.standing_trials(rollout))
    rows = motion.settled(chosen)
    settles = rows.any(axis=0)
    if not settles.any():
        return np.nan
    chosen, rows = chosen.select(settles), rows[:, settles]
    first = rows.argmax(axis=0)
    start = chosen.base_pos[first, np.arange(chosen.trials), :2]
    distance = np.linalg.norm(chosen.base_pos[..., :2] - start, axis=-1)
    return float(reduce(np.where(rows, distance, 0.0).max(axis=0)))


def steps_while_standing(rollout: Rollout) -> float:
    """Mean number of steps that the feet of a standing trial take after its first second."""
    chosen = rollout.select(motion.standing_trials(rollout))
    steps = motion.touchdowns(chosen) & motion.settled(chosen)[..., None]
    return _mean(steps.sum(axis=(0, 2)))


# --- knowing what it does ------------------------------------------------------------------------------------------


def estimator_rmse(rollout: Rollout, axis: int | None = None) -> float:
    """Root mean square of estimated minus true velocity, of one axis (0 forward, 1 lateral, 2 up) or of all three."""
    said = rollout.estimated("velocity")
    if said is None:
        return np.nan
    error = (said - rollout.lin_vel)[motion.settled(rollout)]
    return _rms(error if axis is None else error[:, axis])


def contact_accuracy(rollout: Rollout) -> float:
    """Share of feet and rows whose contact is estimated correctly."""
    said = rollout.estimated("contact")
    if said is None:
        return np.nan
    right = (said > CONTACT_THRESHOLD) == rollout.foot_contact
    return _mean(right[motion.settled(rollout)])


# --- what it takes -------------------------------------------------------------------------------------------------


def torque(rollout: Rollout) -> float:
    """Mean absolute torque of the joints."""
    return _mean(np.abs(rollout.torques[motion.settled(rollout)]))


def _power(rollout: Rollout) -> Floats:
    """Return the mechanical power of all joints, W, (T, N). Joints that brake count as zero."""
    return np.maximum(rollout.torques * rollout.dof_vel, 0.0).sum(axis=-1)


def power(rollout: Rollout) -> float:
    """Mean mechanical power; joints that brake count as zero."""
    return _mean(_power(rollout)[motion.settled(rollout)])


def cost_of_transport(rollout: Rollout) -> float:
    """Work divided by weight and by the distance in the commanded direction, for commands from ``WALKING_SPEED`` on."""
    wanted = rollout.commands[..., :2]
    speed = np.linalg.norm(wanted, axis=-1)
    rows = motion.settled(rollout) & (speed >= WALKING_SPEED)
    if not rows.any():
        return np.nan
    along = (rollout.lin_vel[..., :2] * wanted).sum(axis=-1)[rows] / speed[rows]
    weight = np.broadcast_to(rollout.mass * _GRAVITY, rows.shape)[rows]
    effort = float((weight * along).sum())
    return float(_power(rollout)[rows].sum()) / effort if effort > 0.0 else np.nan


def action_change(rollout: Rollout) -> float:
    """Mean absolute change of an action from one step to the next, over all joints."""
    rows = motion.settled(rollout)[1:]
    return _mean(np.abs(np.diff(rollout.actions, axis=0))[rows])


def joint_speed_peak(rollout: Rollout) -> float:
    """Fastest joint velocity before any fall, as a share of the joint's limit."""
    limited = np.isfinite(rollout.dof_vel_limits)
    shares = (np.abs(rollout.dof_vel) / rollout.dof_vel_limits)[..., limited][motion.up(rollout)]
    return float(shares.max()) if shares.size else np.nan


# --- how its feet move ---------------------------------------------------------------------------------------------


def foot_slip(rollout: Rollout) -> float:
    """Mean horizontal speed of the soles in the middle of their contacts."""
    rows = motion.firm_contact(rollout) & motion.settled(rollout)[..., None]
    return _mean(np.linalg.norm(rollout.sole_vel, axis=-1)[rows])


def _straight(rollout: Rollout) -> motion.Mask:
    """Return the settled rows in which a robot walks straight ahead or back, (T, N)."""
    wanted = rollout.commands
    straight = (wanted[..., 1:] == 0.0).all(axis=-1) & (np.abs(wanted[..., 0]) >= WALKING_SPEED)
    return motion.settled(rollout) & straight


def stance_asymmetry(rollout: Rollout) -> float:
    """Difference between left and right foot's share of rows in contact, walking straight; mean over trials."""
    if rollout.foot_contact.shape[-1] != 2:
        return np.nan
    shares = [_trial_means(rollout.foot_contact[..., foot], _straight(rollout)) for foot in (0, 1)]
    return _mean(np.abs(shares[0] - shares[1]))


def step_asymmetry(rollout: Rollout) -> float:
    """Difference between the mean lengths of left and right steps, walking straight; mean over trials, m."""
    if rollout.foot_contact.shape[-1] != 2:
        return np.nan
    down = motion.touchdowns(rollout) & _straight(rollout)[..., None]
    ahead = motion.step_lengths(rollout)
    lengths = [_trial_means(ahead[..., foot], down[..., foot]) for foot in (0, 1)]
    return _mean(np.abs(lengths[0] - lengths[1]))


# --- means that know of nothing to average -------------------------------------------------------------------------


def _mean(values: np.ndarray) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else np.nan


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(_mean(np.square(values, dtype=np.float64))))


def _trial_means(values: np.ndarray, rows: motion.Mask) -> Floats:
    """Return each trial's mean over its chosen rows, (T, N) → (N,); NaN for a trial without any."""
    count = rows.sum(axis=0)
    total = np.where(rows, values, 0.0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


_TILT, _FALLEN = (f"{np.rad2deg(angle):.0f}°" for angle in (TILT_LIMIT, motion.FALLEN_TILT))

METRICS: tuple[Metric, ...] = (
    Metric("falls", "falls", "%", "trials that ended in a fall: a contact that ends an episode, or a tilt past "
           f"{_FALLEN}", falls, 100.0, 1),
    Metric("protection_steps", f">{_TILT}", "%", f"steps before a fall with more than {_TILT} of roll or pitch, where "
           "the robot's controller goes into damping mode", protection_steps, 100.0, 2),
    Metric("protection_trials", "damped", "%", f"trials with a fall or a tilt past {_TILT}",
           protection_trials, 100.0, 1),
    Metric("vx_rmse", "vx", "m/s", "forward velocity, measured minus wanted: root mean square",
           lambda r: tracking_rmse(r, 0)),
    Metric("vy_rmse", "vy", "m/s", "the same of the lateral velocity", lambda r: tracking_rmse(r, 1)),
    Metric("yaw_rmse", "yaw", "rad/s", "the same of the yaw rate", lambda r: tracking_rmse(r, 2)),
    Metric("vx_bias", "vx bias", "m/s", "forward velocity, measured minus wanted: mean", lambda r: tracking_bias(r, 0)),
    Metric("yaw_bias", "yaw bias", "rad/s", "the same of the yaw rate", lambda r: tracking_bias(r, 2)),
    Metric("vx_mean_error", "vx off", "m/s", "absolute mean error of the forward velocity in each trial, mean over "
           "trials: without the oscillation in each step", lambda r: tracking_mean_error(r, 0)),
    Metric("yaw_mean_error", "yaw off", "rad/s", "the same of the yaw rate", lambda r: tracking_mean_error(r, 2)),
    Metric("sway", "sway", "m/s", "lateral velocity minus its mean in the trial: root mean square", sway),
    Metric("turning_error", "turning", "%",
           "relative error of the mean yaw rate when turning on the spot: absolute value, "
           "mean over trials", body.turning_error, 100.0, 1),
    Metric("pitch_mean", "pitch", "°", "absolute mean pitch of each trial, mean over trials",
           lambda r: body.lean(r, body.PITCH), 180.0 / np.pi, 1),
    Metric("pitch_max", "pitch max", "°", "largest pitch", lambda r: body.largest_lean(r, body.PITCH),
           180.0 / np.pi, 1),
    Metric("roll_mean", "roll", "°", "absolute mean roll of each trial, mean over trials",
           lambda r: body.lean(r, body.ROLL), 180.0 / np.pi, 1),
    Metric("roll_max", "roll max", "°", "largest roll", lambda r: body.largest_lean(r, body.ROLL), 180.0 / np.pi, 1),
    Metric("drift_mean", "drift", "cm", "largest distance of a standing robot's base from its place after 1 s, mean "
           "over trials that only stand", lambda r: drift(r, np.mean), 100.0, 1),
    Metric("drift_max", "drift max", "cm", "the same of the worst trial", lambda r: drift(r, np.max), 100.0, 1),
    Metric("standing_steps", "steps", "", "steps that a standing robot takes after its first second",
           steps_while_standing, digits=1),
    Metric("estimator_rmse", "est.", "m/s", "estimated minus true velocity, all three axes: root mean square",
           estimator_rmse),
    Metric("estimator_vx", "est. vx", "m/s", "the same of the forward velocity alone", lambda r: estimator_rmse(r, 0)),
    Metric("estimator_vy", "est. vy", "m/s", "the same of the lateral velocity alone", lambda r: estimator_rmse(r, 1)),
    Metric("estimator_vz", "est. vz", "m/s", "the same of the vertical velocity alone", lambda r: estimator_rmse(r, 2)),
    Metric("contact_accuracy", "contacts", "%", "feet and steps whose contact is estimated correctly", contact_accuracy,
           100.0, 1),
    Metric("torque", "torque", "N·m", "absolute torque of a joint, mean over joints", torque, digits=2),
    Metric("torque_rms", "torque rms", "N·m", "root mean square of the torque in the joint where it is largest",
           body.torque_rms, digits=2),
    Metric("motor_load", "load", "%", "largest load of a motor, as a share of its torque limit at its speed (falling "
           "linearly to zero at the speed limit)", body.motor_load, 100.0, 0),
    Metric("power", "power", "W", "mechanical power of all joints; those that brake count as zero", power, digits=1),
    Metric("cost_of_transport", "CoT", "", "work divided by weight and distance walked as commanded, for commands of "
           f"at least {WALKING_SPEED:g} m/s", cost_of_transport, digits=2),
    Metric("action_change", "Δaction", "", "absolute change of an action from one step to the next, mean over joints",
           action_change),
    Metric("joint_speed_peak", "speed", "%", "fastest joint velocity, as a share of the joint's limit",
           joint_speed_peak, 100.0, 0),
    Metric("foot_slip", "slip", "m/s", "horizontal speed of soles in the middle of a contact: mean", foot_slip),
    Metric("foot_impact", "impact", "m/s", "speed at which feet come down: mean", body.foot_impact, digits=2),
    Metric("step_frequency", "steps/s", "1/s", "steps of a foot per second while walking", body.step_frequency,
           digits=2),
    Metric("step_height", "lift", "cm", "height of a step above its touchdown: mean", body.step_height, 100.0, 1),
    Metric("stance_asymmetry", "stance l-r", "%", "difference of both feet's time on the ground, walking straight: "
           "mean absolute value over trials", stance_asymmetry, 100.0, 1),
    Metric("step_asymmetry", "step l-r", "cm", "difference of left and right steps' mean lengths, walking straight: "
           "mean absolute value over trials", step_asymmetry, 100.0, 1),
)  # fmt: skip
"""All metrics, in the order of tables."""

METRIC = {metric.name: metric for metric in METRICS}
"""All metrics by name."""
