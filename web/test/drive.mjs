// Drives the page's own simulation through a plan: node drive.mjs DATA.json GROUND PLAN.json > POSITIONS.json
// PLAN is a list of commands, one for each control step.

import { readFileSync } from "node:fs";
import load from "@mujoco/mujoco";
import { Simulation } from "../src/physics.js";

const [data, ground, plan] = [process.argv[2], process.argv[3], process.argv[4]];
const mujoco = await load();
const simulation = new Simulation(mujoco, JSON.parse(readFileSync(data)), ground);
const rows = JSON.parse(readFileSync(plan)).map((command) => {
  const state = simulation.controlStep(command);
  return { position: state.position, velocity: state.velocity, fallen: simulation.fallen };
});
process.stdout.write(JSON.stringify(rows));
simulation.close();
