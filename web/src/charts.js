// Curves of the last seconds: what was asked, what the robot does, and what its estimator believes.

const SECONDS = 8;
const LINES = [
  { title: "forward velocity, m/s", command: 0, values: (s) => [s.command[0], s.velocity[0], s.estimate[0]] },
  { title: "yaw rate, rad/s", command: 2, values: (s) => [s.command[2], s.yawRate] },
];
const COLOURS = ["#868e96", "#1c7ed6", "#e8590c"];

export class Charts {
  /** @param canvas Where to draw; @param ranges Least and greatest command of each component. */
  constructor(canvas, ranges) {
    this.canvas = canvas;
    this.largest = LINES.map(({ command }) => 1.3 * Math.max(0.1, ...ranges[command].map(Math.abs)));
    this.rows = [];
  }

  add(state) {
    if (this.rows.length && state.time < this.rows.at(-1).time) this.rows = [];
    this.rows.push({ time: state.time, values: LINES.map(({ values }) => values(state)) });
    while (this.rows[0].time < state.time - SECONDS) this.rows.shift();
  }

  draw() {
    const { canvas, rows } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || rows.length < 2) return;
    const ratio = Math.min(devicePixelRatio, 2);
    if (canvas.width !== Math.floor(width * ratio)) {
      canvas.width = Math.floor(width * ratio);
      canvas.height = Math.floor(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "11px sans-serif";
    const part = height / LINES.length;
    const now = rows.at(-1).time;
    LINES.forEach(({ title }, line) => {
      const middle = part * (line + 0.56);
      context.fillStyle = "#495057";
      context.fillText(title, 4, part * line + 11);
      context.strokeStyle = "#ced4da";
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(0, middle);
      context.lineTo(width, middle);
      context.stroke();
      rows[0].values[line].forEach((_, which) => {
        context.strokeStyle = COLOURS[which];
        context.lineWidth = 1.5;
        context.beginPath();
        for (const { time, values } of rows) {
          const x = width * (1 - (now - time) / SECONDS);
          const y = middle - (values[line][which] / this.largest[line]) * part * 0.4;
          context.lineTo(x, Math.min(part * (line + 1), Math.max(part * line + 13, y)));
        }
        context.stroke();
      });
    });
  }
}
