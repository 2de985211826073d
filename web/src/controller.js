// The robot's controller, by the rules of legged_gym/deploy/controller.py. It rounds to float32 where the robot does.

import { Net } from "./nets.js";

const f = Math.fround;

/** Returns the direction of gravity in the base frame by an attitude [w, x, y, z]. */
export function projectedGravity(quat) {
  const [w, x, y, z] = quat.map(f);
  return [
    f(2 * f(f(w * y) - f(z * x))),
    f(-2 * f(f(z * y) + f(w * x))),
    f(1 - f(2 * f(f(w * w) + f(z * z)))),
  ];
}

/** Returns the larger of |roll| and |pitch|, rad. */
export function tilt(quat) {
  const [x, y, z] = projectedGravity(quat);
  return Math.max(Math.abs(Math.atan2(-y, -z)), Math.abs(Math.asin(Math.min(1, Math.max(-1, x)))));
}

export class Controller {
  /** @param policy {config, rules, estimator, actor} of the page's data. */
  constructor(policy) {
    this.config = policy.config;
    this.rules = policy.rules;
    this.estimator = new Net(policy.estimator);
    this.actor = new Net(policy.actor);
    this.joints = this.config.joint_names.length;
    this.action = new Float32Array(this.joints);
    this.phase = 0;
    this.clockHeld = false;
    this.start();
  }

  /** Begins to walk: the history is empty and the clock's period begins. */
  start() {
    this.damping = false;
    this.command = [0, 0, 0];
    this.estimate = new Float32Array(this.config.num_estimates);
    this.history = null;
    this.clockSteps = 0;
  }

  /** Does one control step and returns what the motors hold until the next: {target, kp, kd}. */
  update(sensors, command) {
    const { config } = this;
    if (this.damping) {
      const zeros = new Array(this.joints).fill(0);
      return { target: zeros, kp: zeros, kd: new Array(this.joints).fill(this.rules.damping_kd) };
    }
    this.command = command.map((value, i) => (Math.abs(f(value)) > f(config.low_vel_thresholds[i]) ? f(value) : 0));
    this.moveClock();
    const observation = this.observe(sensors);
    // A policy without an estimator acts on the observation alone.
    const estimate = config.num_estimates ? this.estimator.run(observation) : new Float32Array(0);
    const input = new Float32Array(observation.length + estimate.length);
    input.set(observation);
    input.set(estimate, observation.length);
    this.estimate = estimate.map((value, i) => value / config.estimate_scales[i]);
    this.action = this.actor.run(input).slice();
    this.damping = tilt(sensors.quat) > this.rules.tilt_limit;
    const target = config.default_angles.map((angle, i) => angle + f(config.action_scale * this.action[i]));
    return { target, kp: config.kp, kd: config.kd };
  }

  /** The clock runs while the robot walks, and after a stop to the end of its period; then it is held at 0. */
  moveClock() {
    const { control_dt: dt, gait_period: period } = this.config;
    const standing = this.command.every((value) => value === 0);
    this.clockHeld = standing && (this.clockHeld || this.phase < this.rules.period_begins);
    this.clockSteps = this.clockHeld ? 0 : f(this.clockSteps + 1);
    this.phase = f(f(f(this.clockSteps * f(dt)) % f(period)) / f(period));
  }

  /** Adds a step to the history and returns it whole, newest step first. */
  observe(sensors) {
    const { config } = this;
    const values = {
      base_ang_vel: () => sensors.gyro,
      projected_gravity: () => projectedGravity(sensors.quat),
      commands: () => this.command,
      dof_pos: () => sensors.dofPos.map((angle, i) => f(f(angle) - f(config.default_angles[i]))),
      dof_vel: () => sensors.dofVel,
      actions: () => Array.from(this.action),
      gait_clock: () => {
        const angles = config.gait_offsets.map((offset) => 2 * Math.PI * f(f(this.phase + f(offset)) % 1));
        return [...angles.map(Math.sin), ...angles.map(Math.cos)];
      },
    };
    const step = config.observation_terms.flatMap((term, i) => {
      const scales = config.observation_scales[i];
      return values[term]().map((value, k) => f(f(value) * f(scales[scales.length > 1 ? k : 0])));
    });
    this.history = this.history ? [step, ...this.history.slice(0, -1)] : new Array(config.history_length).fill(step);
    return Float32Array.from(this.history.flat());
  }
}
