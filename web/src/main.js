// The page: keys, touch stick, gamepad, pushes by dragging, sliders and curves around the simulation.

import { Charts } from "./charts.js";
import { Drive } from "./drive.js";
import { View } from "./view.js";

const SLIDERS = [
  { name: "friction", label: "friction of the ground", unit: "", min: 0.1, max: 1.25, step: 0.05, value: 1 },
  { name: "payload", label: "payload", unit: "kg", min: -1, max: 4, step: 0.25, value: 0 },
  { name: "delay", label: "delay of actions", unit: "ms", min: 0, max: 40, step: 2, value: 0, factor: 0.001 },
  { name: "strength", label: "strength of the motors", unit: "%", min: 60, max: 120, step: 5, value: 100, factor: 0.01 },
];
const STRONGEST_PUSH = 1.2; // m/s

const find = (id) => document.getElementById(id);

async function unpack(text) {
  const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function main() {
  const wasm = await unpack(find("wasm").textContent.trim());
  const page = JSON.parse(new TextDecoder().decode(await unpack(find("data").textContent.trim())));
  document.title = page.title;
  find("title").textContent = page.title;
  const worker = new Worker(URL.createObjectURL(new Blob([find("worker").textContent], { type: "text/javascript" })));
  const view = new View(find("scene"), page);
  const drive = new Drive(find("stick"), page.policy.config.trained_ranges);
  const charts = new Charts(find("curves"), page.policy.config.trained_ranges);
  let newest = null;
  worker.onmessage = ({ data }) => {
    if (data.error) say(data.error, true);
    if (data.note) {
      say(data.note);
      setTimeout(() => say(drive.hint()), 4000);
    }
    if (!data.state) return;
    newest = data.state;
    charts.add(newest);
    view.show(newest);
    worker.postMessage({ command: drive.command() });
  };
  worker.onerror = (event) => say(event.message, true);
  worker.postMessage({ start: { wasm, page } }, [wasm]);
  makeGrounds(page, worker, view);
  makeSliders(worker);
  makePushes(view, worker);
  makeTable(page.policy.config);
  find("restart").onclick = () => worker.postMessage({ restart: true });
  const fold = (folded) => {
    document.body.classList.toggle("folded", folded);
    find("fold").textContent = folded ? "▸" : "▾";
  };
  fold(innerWidth <= 700);
  find("fold").onclick = () => fold(!document.body.classList.contains("folded"));
  addEventListener("gamepadconnected", () => say(drive.hint()));
  const frame = () => {
    view.draw();
    if (newest) report(newest, drive);
    charts.draw();
    requestAnimationFrame(frame);
  };
  frame();
}

function say(text, wrong = false) {
  const line = find("message");
  line.textContent = text;
  line.classList.toggle("wrong", wrong);
}

function report(state, drive) {
  const show = (values) => values.map((value) => value.toFixed(2).padStart(5)).join("  ");
  find("asked").textContent = show(state.command);
  find("walks").textContent = show([state.velocity[0], state.velocity[1], state.yawRate]);
  find("estimates").textContent = show(state.estimate.slice(0, 2));
  state.contacts.forEach((touches, foot) => find(`foot${foot}`)?.classList.toggle("touches", touches));
  if (state.fallen) say("fallen: it starts again in a moment");
  else if (/^(fallen|loading)/.test(find("message").textContent)) say(drive.hint());
}

function makeTable({ foot_names: feet, num_estimates: estimates }) {
  find("estimates").parentElement.hidden = !estimates;
  const names = feet.length === 2 ? ["left", "right"] : feet;
  for (const [i, name] of names.entries()) {
    const dot = Object.assign(document.createElement("span"), { className: "dot foot", id: `foot${i}` });
    find("feet").append(dot, `${name} `);
  }
}

function makeGrounds(page, worker, view) {
  const box = find("grounds");
  const names = Object.keys(page.grounds);
  for (const name of names) {
    const button = document.createElement("button");
    button.textContent = name;
    button.onclick = () => {
      for (const other of box.children) other.classList.toggle("chosen", other === button);
      view.setGround(name);
      worker.postMessage({ ground: name });
    };
    box.append(button);
  }
  box.firstChild.classList.add("chosen");
  view.setGround(names[0]);
}

function makeSliders(worker) {
  for (const { name, label, unit, min, max, step, value, factor = 1 } of SLIDERS) {
    const row = document.createElement("label");
    const shown = document.createElement("output");
    const input = Object.assign(document.createElement("input"), { type: "range", id: name, min, max, step, value });
    const tell = () => (shown.textContent = `${input.value} ${unit}`);
    input.oninput = () => {
      tell();
      worker.postMessage({ settings: { [name]: factor * Number(input.value) } });
    };
    tell();
    row.append(label, shown, input);
    find("sliders").append(row);
  }
}

function makePushes(view, worker) {
  const canvas = find("scene");
  let from = null;
  let pushing = false;
  canvas.onpointerdown = (event) => {
    from = [event.clientX, event.clientY];
    pushing = view.hits(...from);
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    if (!from) return;
    const [right, down] = [event.clientX - from[0], event.clientY - from[1]];
    if (pushing) return view.showPush(view.toWorld(right, down));
    view.turn -= 0.008 * right;
    view.height = Math.min(2.5, Math.max(0.05, view.height + 0.006 * down));
    from = [event.clientX, event.clientY];
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    if (from && pushing && event.type === "pointerup") {
      const vector = view.toWorld(event.clientX - from[0], event.clientY - from[1]);
      const size = Math.hypot(...vector);
      const scale = Math.min(1, STRONGEST_PUSH / Math.max(size, 1e-6));
      if (size > 0.05) worker.postMessage({ push: vector.map((value) => scale * value) });
    }
    view.showPush(null);
    from = null;
  };
  canvas.onwheel = (event) => {
    view.distance = Math.min(6, Math.max(0.8, view.distance * (1 + 0.001 * event.deltaY)));
    event.preventDefault();
  };
}

main().catch((error) => say(`this browser can't run the page: ${error.message}`, true));
