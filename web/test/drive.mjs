// Drives the page's own simulation through a plan: node drive.mjs DATA.json GROUND PLAN.json > ROWS.json
// PLAN has a row for each control step: {command} and, to go on from a state that is not the page's own, {qpos, qvel}.

import { readFileSync } from "node:fs";
import load from "@mujoco/mujoco";
import { Simulation } from "../src/physics.js";

const [data, ground, plan] = [process.argv[2], process.argv[3], process.argv[4]];
const mujoco = await load();
const simulation = new Simulation(mujoco, JSON.parse(readFileSync(data)), ground);
const rows = JSON.parse(readFileSync(plan)).map(({ command, qpos, qvel }) => {
  const position = simulation.read().position;
  if (qpos) {
    simulation.data.qpos.set(qpos);
    simulation.data.qvel.set(qvel);
  }
  const { velocity } = simulation.controlStep(command);
  return { position, velocity, fallen: simulation.fallen, edge: simulation.atEdge() };
});
process.stdout.write(JSON.stringify(rows));
simulation.close();
