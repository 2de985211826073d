// What the user asks of the robot: by keys, by the stick on the page, or by a gamepad, whichever was moved last.

const KEYS = {
  KeyW: [1, 0, 0], ArrowUp: [1, 0, 0], KeyS: [-1, 0, 0], ArrowDown: [-1, 0, 0],
  KeyQ: [0, 1, 0], KeyE: [0, -1, 0],
  KeyA: [0, 0, 1], ArrowLeft: [0, 0, 1], KeyD: [0, 0, -1], ArrowRight: [0, 0, -1],
};
const DEAD_ZONE = 0.12;

export class Drive {
  /** @param stick The stick's element; @param ranges Least and greatest command of each component. */
  constructor(stick, ranges) {
    this.ranges = ranges;
    this.keys = new Set();
    this.stick = [0, 0];
    addEventListener("keydown", (event) => {
      if (!KEYS[event.code] || event.ctrlKey || event.metaKey || event.altKey) return;
      // A slider that was moved last keeps the arrows.
      if (event.target.type === "range" && event.code.startsWith("Arrow")) return;
      this.keys.add(event.code);
      event.preventDefault();
    });
    addEventListener("keyup", (event) => this.keys.delete(event.code));
    // A key that is let go while the page is not looked at would stay down for ever.
    addEventListener("blur", () => this.clear());
    document.addEventListener("visibilitychange", () => this.clear());
    this.watchStick(stick);
  }

  clear() {
    this.keys.clear();
    this.stick = [0, 0];
  }

  hint() {
    const [least, most] = this.ranges[1];
    const sideways = least < 0 || most > 0;
    const how = this.pad()
      ? `gamepad: left stick walks${sideways ? " and goes sideways" : ""}, right stick turns`
      : matchMedia("(pointer: coarse)").matches
        ? "the stick walks and turns"
        : `W S walk, A D turn${sideways ? ", Q E go sideways" : ""}, or the stick`;
    return `${how}; drag the robot to push it, drag beside it to look around`;
  }

  pad() {
    try {
      return [...navigator.getGamepads()].find(Boolean);
    } catch {
      return undefined; // a page that shows this one in a frame may not let it ask
    }
  }

  watchStick(stick) {
    const knob = stick.firstElementChild;
    const move = (event) => {
      const box = stick.getBoundingClientRect();
      const limit = (value) => Math.min(1, Math.max(-1, value));
      const x = limit((2 * (event.clientX - box.left)) / box.width - 1);
      const y = limit((2 * (event.clientY - box.top)) / box.height - 1);
      this.stick = [-y, -x];
      knob.style.transform = `translate(${30 * x}px, ${30 * y}px)`;
    };
    const release = () => {
      this.stick = [0, 0];
      knob.style.transform = "";
    };
    stick.onpointerdown = (event) => {
      stick.setPointerCapture(event.pointerId);
      move(event);
    };
    stick.onpointermove = (event) => stick.hasPointerCapture(event.pointerId) && move(event);
    stick.onpointerup = stick.onpointercancel = release;
  }

  /** Returns the command: m/s forward, m/s to the left, rad/s to the left. */
  command() {
    const wanted = [this.stick[0], 0, this.stick[1]];
    for (const key of this.keys) KEYS[key].forEach((value, i) => (wanted[i] += value));
    const pad = this.pad();
    if (pad) {
      const axis = (i) => (Math.abs(pad.axes[i] ?? 0) > DEAD_ZONE ? pad.axes[i] : 0);
      wanted[0] -= axis(1);
      wanted[1] -= axis(0);
      wanted[2] -= axis(2);
    }
    return wanted.map((share, i) => {
      const limited = Math.min(1, Math.max(-1, share));
      const [low, high] = this.ranges[i];
      return limited < 0 ? -limited * low : limited * high;
    });
  }
}
