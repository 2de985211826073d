// The simulation's own thread: it keeps pace with the clock, and tells the page what to draw after each control step.

import load from "@mujoco/mujoco";
import { Simulation } from "./physics.js";

const MOST_DEBT = 0.1; // seconds that may be caught up; a page that slept does not run after them
const RESTART_AFTER = 1.5; // seconds from a fall to the next start

let simulation = null;
let command = [0, 0, 0];
let push = null;
let last = 0;
let debt = 0;
let fellAt = null;

self.onmessage = async ({ data: message }) => {
  try {
    if (message.start) await start(message.start);
    if (message.command) command = message.command;
    if (message.push) push = message.push;
    if (message.settings) simulation.apply(message.settings);
    if (message.ground) change(message.ground);
    if (message.restart) restart();
  } catch (error) {
    self.postMessage({ error: String(error?.message ?? error) });
  }
};

async function start({ wasm, page }) {
  const mujoco = await load({ wasmBinary: wasm });
  simulation = new Simulation(mujoco, page, Object.keys(page.grounds)[0]);
  last = performance.now();
  setInterval(tick, 5);
}

function change(ground) {
  simulation.load(ground);
  fellAt = null;
  debt = 0;
}

function restart() {
  simulation.reset();
  fellAt = null;
}

function tick() {
  const now = performance.now();
  const dt = simulation.page.policy.config.control_dt;
  debt = Math.min(debt + (now - last) / 1000, MOST_DEBT);
  last = now;
  try {
    while (debt >= dt) {
      debt -= dt;
      step();
    }
  } catch (error) {
    // A simulation that diverged begins anew; the page says so.
    self.postMessage({ error: String(error?.message ?? error) });
    restart();
  }
}

function step() {
  const state = simulation.controlStep(command, push);
  push = null;
  const { controller, data } = simulation;
  const fallen = simulation.fallen || controller.damping;
  if (fallen && fellAt === null) fellAt = state.time;
  if (fellAt !== null && state.time - fellAt > RESTART_AFTER) restart();
  if (simulation.atEdge()) {
    restart();
    self.postMessage({ note: "the ground ends there: it starts again in the middle" });
  }
  self.postMessage({
    state: {
      time: state.time,
      position: state.position,
      poses: poses(data),
      command: controller.command,
      velocity: state.velocity,
      yawRate: state.gyro[2],
      estimate: Array.from(controller.estimate),
      contacts: state.contacts,
      fallen,
    },
  });
}

/** Returns position and quaternion (w, x, y, z) of every link, one after the other. */
function poses(data) {
  const { xpos, xquat } = data;
  const bodies = xpos.length / 3;
  const result = new Float32Array(7 * bodies);
  for (let i = 0; i < bodies; i++) {
    result.set(xpos.subarray(3 * i, 3 * i + 3), 7 * i);
    result.set(xquat.subarray(4 * i, 4 * i + 4), 7 * i + 3);
  }
  return result;
}
