// One robot on its ground: MuJoCo in WebAssembly, the motors, and the wires between them and the controller.
// The same steps as legged_gym/deploy/world.py and trial.py.

import { Controller } from "./controller.js";
import { floats } from "./nets.js";

const PHYSICS_DT = 0.001;
const MOTOR_TICKS = 2;
const FOOT_FORCE = 2.0;
const CONTACT_FORCE = 1.0;
const STANCE = 0.2;
const EDGE = 0.4; // m

export class Simulation {
  /**
   * @param mujoco The loaded module.
   * @param data The page's data.
   * @param ground Its name in data.grounds.
   */
  constructor(mujoco, data, ground) {
    this.mujoco = mujoco;
    this.page = data;
    this.controller = new Controller(data.policy);
    this.controlTicks = Math.round(data.policy.config.control_dt / PHYSICS_DT);
    this.settings = { friction: 1, payload: 0, delay: 0, strength: 1 };
    this.model = null;
    this.load(ground);
  }

  /** Builds the scene on a ground; what the last one held is freed. */
  load(ground) {
    this.close();
    this.ground = this.page.grounds[ground];
    this.model = this.mujoco.MjModel.from_xml_string(this.ground.xml);
    if (!this.model) throw new Error(`MuJoCo can't read the scene '${ground}'`);
    if (this.ground.heights) {
      this.heights = floats(this.ground.heights);
      const { low, span } = this.ground;
      const field = this.model.hfield_data;
      const { rows, columns } = this.ground;
      // MuJoCo's rows run along y; the page's heights are [ix, iy].
      for (let y = 0; y < rows; y++)
        for (let x = 0; x < columns; x++) field[y * columns + x] = (this.heights[x * rows + y] - low) / span;
    }
    this.data = new this.mujoco.MjData(this.model);
    this.base = { mass: this.model.body_mass[1], inertia: Array.from(this.model.body_inertia.slice(3, 6)) };
    this.apply(this.settings);
    this.reset();
  }

  close() {
    if (!this.model) return;
    this.data.delete();
    this.model.delete();
    this.model = null;
  }

  /** Takes over friction, payload (kg), delay of actions (s) and strength of the motors (1 is the robot's own). */
  apply(settings) {
    this.settings = { ...this.settings, ...settings };
    const { model, base } = this;
    model.geom_friction[3 * this.page.ground_geom] = this.settings.friction;
    const mass = base.mass + this.settings.payload;
    model.body_mass[1] = mass;
    for (let i = 0; i < 3; i++) model.body_inertia[3 + i] = (base.inertia[i] * mass) / base.mass;
    const scratch = new this.mujoco.MjData(model);
    this.mujoco.mj_setConst(model, scratch);
    scratch.delete();
  }

  /** Puts the robot down in the pose that it has after standing up. */
  reset(height = 0.005) {
    const { data, model, mujoco, page } = this;
    mujoco.mj_resetData(model, data);
    const pose = page.policy.config.stand_angles;
    data.qpos.set([0, 0, 0, 1, 0, 0, 0]);
    page.qpos.forEach((at, joint) => (data.qpos[at] = pose[joint]));
    mujoco.mj_kinematics(model, data);
    data.qpos[2] = height + this.highestGround() - this.lowestPoint();
    mujoco.mj_forward(model, data);
    this.tick = 0;
    this.sent = [];
    this.told = { target: pose, kp: page.policy.config.stand_kp, kd: page.policy.config.stand_kd };
    this.torques = new Float64Array(pose.length);
    this.controller.start();
    this.controller.action.fill(0);
    this.controller.phase = 0;
    this.controller.clockHeld = false;
    this.fallen = false;
  }

  /** Lets the controller look and decide once, and the physics go on until it is asked again. */
  controlStep(command, push = null) {
    this.mujoco.mj_forward(this.model, this.data);
    this.state = this.read();
    const told = this.controller.update(this.state, command);
    this.sent.push([this.tick + Math.round(this.settings.delay / PHYSICS_DT), told]);
    this.fallen = this.fallen || this.state.fallen;
    if (push) {
      this.data.qvel[0] += push[0];
      this.data.qvel[1] += push[1];
    }
    for (let i = 0; i < this.controlTicks; i++) {
      if (this.tick % MOTOR_TICKS === 0) this.driveMotors();
      const applied = this.data.qfrc_applied;
      this.page.qvel.forEach((at, joint) => (applied[at] = this.torques[joint]));
      this.mujoco.mj_step(this.model, this.data);
      this.tick++;
    }
    if (!Number.isFinite(this.data.qpos[2])) throw new Error("the simulation diverged");
    return this.state;
  }

  driveMotors() {
    while (this.sent.length && this.sent[0][0] <= this.tick) this.told = this.sent.shift()[1];
    const { qpos, qvel } = this.data;
    const { page, settings, told } = this;
    for (let joint = 0; joint < this.torques.length; joint++) {
      const angle = qpos[page.qpos[joint]];
      const velocity = qvel[page.qvel[joint]];
      const wanted = told.kp[joint] * (told.target[joint] - angle) - told.kd[joint] * velocity;
      const limit = page.efforts[joint];
      this.torques[joint] = settings.strength * Math.min(limit, Math.max(-limit, wanted));
    }
  }

  /** Returns the state of this instant: sensors, and what only the simulation knows. */
  read() {
    const { data, page } = this;
    const qpos = data.qpos;
    const qvel = data.qvel;
    const quat = Array.from(qpos.slice(3, 7));
    const forces = [];
    const sensed = data.sensordata;
    for (let i = 0; i < sensed.length; i += 3) forces.push(Math.hypot(sensed[i], sensed[i + 1], sensed[i + 2]));
    return {
      time: this.tick * PHYSICS_DT,
      position: Array.from(qpos.slice(0, 3)),
      quat,
      gyro: Array.from(qvel.slice(3, 6)),
      velocity: rotateInverse(quat, Array.from(qvel.slice(0, 3))),
      dofPos: page.qpos.map((at) => qpos[at]),
      dofVel: page.qvel.map((at) => qvel[at]),
      contacts: page.foot_sensors.map((sensor) => forces[sensor] > FOOT_FORCE),
      fallen: forces.some((force, sensor) => !page.foot_sensors.includes(sensor) && force > CONTACT_FORCE),
    };
  }

  /** Returns whether the ground ends within a step; even ground does not. */
  atEdge() {
    const [x, y] = this.data.qpos.slice(0, 2);
    return Boolean(this.ground.origin) && Math.max(Math.abs(x), Math.abs(y)) > -this.ground.origin[0] - EDGE;
  }

  /** Returns the height of the highest ground that a foot could meet at the start. */
  highestGround() {
    if (!this.heights || !this.ground.heights) return 0;
    const { origin, scale, rows, columns } = this.ground;
    let highest = -Infinity;
    for (let x = -STANCE; x < STANCE + 0.01; x += 0.05)
      for (let y = -STANCE; y < STANCE + 0.01; y += 0.05) {
        const ix = Math.min(columns - 1, Math.max(0, Math.round((x - origin[0]) / scale)));
        const iy = Math.min(rows - 1, Math.max(0, Math.round((y - origin[1]) / scale)));
        highest = Math.max(highest, this.heights[ix * rows + iy]);
      }
    return highest;
  }

  /** Returns the world z of the feet's lowest point, by the boxes around their shapes. */
  lowestPoint() {
    const aabb = this.model.geom_aabb;
    const { geom_xmat: mat, geom_xpos: pos } = this.data;
    let lowest = Infinity;
    for (const geom of this.page.sole_geoms) {
      let z = pos[3 * geom + 2];
      for (let axis = 0; axis < 3; axis++) {
        const up = mat[9 * geom + 6 + axis];
        z += up * aabb[6 * geom + axis] - Math.abs(up) * aabb[6 * geom + 3 + axis];
      }
      lowest = Math.min(lowest, z);
    }
    return lowest;
  }
}

/** Turns a world vector into the frame of an attitude [w, x, y, z]. */
export function rotateInverse([w, x, y, z], [a, b, c]) {
  const t = [2 * (c * y - b * z), 2 * (a * z - c * x), 2 * (b * x - a * y)];
  return [
    a - w * t[0] + (y * t[2] - z * t[1]),
    b - w * t[1] + (z * t[0] - x * t[2]),
    c - w * t[2] + (x * t[1] - y * t[0]),
  ];
}
