// Over one input: the data, and the model's curve, or how probable each class is.
import { Picture, dot, line, rangeOf, short, sign } from "./picture.js";

const STRIP = -0.07; // where the points lie under curves of probabilities
const REACH = 1; // heights of the data that the start's curve may add to the picture

export class FitPicture extends Picture {
  setScene(scene) {
    this.scene = scene;
    this.xs = scene.x[0];
    this.x = rangeOf(this.xs, 0.02);
    if (scene.classes.length) this.y = [-0.14, 1.06];
    else {
      const [low, high] = [Math.min(...scene.y), Math.max(...scene.y)];
      const most = REACH * (high - low);
      const first = scene.first.filter((v) => v >= low - most && v <= high + most);
      this.y = rangeOf([low, high, ...first], 0.06);
    }
    this.resize();
  }

  paintStill(pen) {
    const { scene, colours: c } = this;
    const { width } = this.size;
    const named = scene.inputs[0] !== "x" || scene.target !== "y";
    this.paintAxes(pen, named ? [scene.inputs[0]] : []);
    const radius = width < 480 ? 2.2 : 3;
    if (scene.classes.length) {
      this.xs.forEach((x, i) => this.#paintClass(pen, scene.y[i], this.across(x), this.down(STRIP), radius, scene.held[i]));
    } else {
      pen.setLineDash([5, 5]);
      pen.strokeStyle = c.start;
      pen.lineWidth = 1.5;
      line(pen, this.#curve(scene.first, 0));
      pen.setLineDash([]);
      pen.fillStyle = pen.strokeStyle = c.point;
      pen.lineWidth = 1;
      for (const held of [0, 1]) {
        pen.beginPath();
        this.xs.forEach((x, i) => scene.held[i] === held && dot(pen, this.across(x), this.down(scene.y[i]), radius));
        held ? pen.stroke() : pen.fill();
      }
    }
    this.#legend(pen);
  }

  #paintClass(pen, kind, x, y, radius, held) {
    pen.strokeStyle = pen.fillStyle = this.colours.classes[kind % 6];
    pen.lineWidth = 1;
    sign(pen, kind, x, y, radius);
    held ? pen.stroke() : pen.fill();
  }

  #legend(pen) {
    const { scene, colours: c } = this;
    const { left, top } = this.edge;
    const held = scene.held.includes(1) ? [["legend_held", c.point, "ring"]] : [];
    const rows = scene.classes.length
      ? scene.classes.slice(0, 6).map((label, i) => [label, c.classes[i], i])
      : [["legend_points", c.point, "dot"], ...held, ["legend_curve", c.curve, "line"], ["legend_start", c.start, "dash"]];
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    rows.forEach(([key, colour, kind], i) => {
      const y = top + 14 + i * 20;
      const x = left + 14;
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = kind === "line" ? 3 : 1.5;
      if (typeof kind === "number") {
        sign(pen, kind, x + 10, y, 4);
        pen.fill();
      } else if (kind === "dot" || kind === "ring") {
        pen.beginPath();
        dot(pen, x + 10, y, 3.5);
        kind === "dot" ? pen.fill() : pen.stroke();
      } else {
        pen.setLineDash(kind === "dash" ? [5, 5] : []);
        line(pen, [[x, y], [x + 20, y]]);
        pen.setLineDash([]);
      }
      pen.fillStyle = c.ink;
      pen.fillText(typeof kind === "number" ? short(key) : this.words[key] ?? "", x + 28, y);
    });
  }

  #curve(values, from) {
    return this.scene.grid.map((x, i) => [this.across(x), this.down(values[from + i])]);
  }

  draw(frame) {
    const pen = this.begin(frame);
    if (!pen) return;
    const { width, height } = this.size;
    const { left, bottom } = this.edge;
    pen.save();
    pen.beginPath();
    pen.rect(left - 9, 0, width - left + 9, height - bottom + 9);
    pen.clip();
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    const count = Math.max(1, this.scene.classes.length);
    for (let k = 0; k < count; k++) {
      pen.strokeStyle = this.scene.classes.length ? this.colours.classes[k % 6] : this.colours.curve;
      line(pen, this.#curve(frame.surface, k * this.scene.grid.length));
    }
    if (frame.row >= 0) this.#example(pen, frame);
    pen.restore();
  }

  /** Whether no part of the model's curve can be seen. */
  isOutside(frame) {
    return !frame.surface.some((y) => y >= this.y[0] && y <= this.y[1]);
  }

  /** The example of the last step, and how far the model is from it. */
  #example(pen, frame) {
    const x = this.xs[frame.row];
    if (x === undefined) return;
    const across = this.across(x);
    const down = this.down(this.scene.classes.length ? STRIP : this.scene.y[frame.row]);
    pen.strokeStyle = this.colours.accent;
    pen.lineWidth = 2;
    if (!Number.isNaN(frame.says)) line(pen, [[across, down], [across, this.down(frame.says)]]);
    pen.beginPath();
    dot(pen, across, down, 7);
    pen.stroke();
  }
}
