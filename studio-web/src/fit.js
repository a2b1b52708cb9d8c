// The data and the model's curve: what does not change is painted once, on a canvas of its own.
import { coloursOf, fontOf } from "./theme.js";
import { mark } from "./words.js";

const EDGE = { left: 44, right: 14, top: 14, bottom: 30 };
const STEPS = [1, 2, 2.5, 5, 10];

/** Round places on an axis, about so many. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = STEPS.map((s) => s * power).find((s) => s >= rough);
  const places = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) places.push(i * step);
  return places;
}

export class FitPicture {
  constructor(canvas) {
    this.canvas = canvas;
    this.still = document.createElement("canvas");
    this.words = {};
  }

  setScene(scene) {
    this.scene = scene;
    const y = [...scene.y, ...scene.first];
    const room = (Math.max(...y) - Math.min(...y)) * 0.06 || 1;
    this.y = [Math.min(...y) - room, Math.max(...y) + room];
    const wide = (Math.max(...scene.x) - Math.min(...scene.x)) * 0.02 || 1;
    this.x = [Math.min(...scene.x) - wide, Math.max(...scene.x) + wide];
    this.resize();
  }

  /** Take the place that the page gives, and paint what stands still. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.canvas, this.still]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.size = { width, height };
    if (!this.scene || !width) return;
    this.colours = coloursOf(this.canvas);
    this.font = fontOf(this.canvas, 12);
    this.#paintStill(this.still.getContext("2d"));
    if (this.last) this.draw(this.last);
  }

  #across(x) {
    const { left, right } = EDGE;
    return left + ((x - this.x[0]) / (this.x[1] - this.x[0])) * (this.size.width - left - right);
  }

  #down(y) {
    const { top, bottom } = EDGE;
    const share = (y - this.y[0]) / (this.y[1] - this.y[0]);
    const place = top + (1 - share) * (this.size.height - top - bottom);
    return Math.max(-1e4, Math.min(1e4, place)); // far outside; infinities too
  }

  #paintStill(pen) {
    const { width, height } = this.size;
    const c = this.colours;
    pen.clearRect(0, 0, width, height);
    pen.font = this.font;
    pen.lineWidth = 1;
    pen.strokeStyle = c.line;
    pen.fillStyle = c.soft;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const y of ticks(...this.y, height / 60)) {
      const at = Math.round(this.#down(y)) + 0.5;
      line(pen, [[EDGE.left, at], [width - EDGE.right, at]]);
      pen.fillText(mark(y), EDGE.left - 8, at);
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const x of ticks(...this.x, width / 90)) {
      pen.fillText(mark(x), this.#across(x), height - EDGE.bottom + 8);
    }
    pen.setLineDash([5, 5]);
    pen.strokeStyle = c.start;
    pen.lineWidth = 1.5;
    line(pen, this.#curve(this.scene.first));
    pen.setLineDash([]);
    pen.fillStyle = c.point;
    pen.beginPath();
    const radius = width < 480 ? 2.2 : 3;
    this.scene.x.forEach((x, i) => dot(pen, this.#across(x), this.#down(this.scene.y[i]), radius));
    pen.fill();
    this.#legend(pen);
  }

  #legend(pen) {
    const c = this.colours;
    const rows = [["legend_points", c.point], ["legend_curve", c.curve], ["legend_start", c.start]];
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    rows.forEach(([key, colour], i) => {
      const y = EDGE.top + 14 + i * 20;
      const x = EDGE.left + 14;
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = i === 1 ? 3 : 1.5;
      if (i === 0) {
        pen.beginPath();
        dot(pen, x + 10, y, 3.5);
        pen.fill();
      } else {
        pen.setLineDash(i === 2 ? [5, 5] : []);
        line(pen, [[x, y], [x + 20, y]]);
        pen.setLineDash([]);
      }
      pen.fillStyle = c.ink;
      pen.fillText(this.words[key] ?? "", x + 28, y);
    });
  }

  #curve(values) {
    return this.scene.grid.map((x, i) => [this.#across(x), this.#down(values[i])]);
  }

  draw(frame) {
    this.last = frame;
    if (!this.scene || !this.size?.width) return;
    const pen = this.canvas.getContext("2d");
    const { width, height } = this.size;
    pen.clearRect(0, 0, width, height);
    pen.drawImage(this.still, 0, 0, width, height);
    pen.save();
    pen.beginPath();
    pen.rect(EDGE.left - 9, 0, width - EDGE.left + 9, height - EDGE.bottom + 9);
    pen.clip();
    pen.strokeStyle = this.colours.curve;
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    line(pen, this.#curve(frame.curve));
    if (frame.row >= 0) this.#example(pen, frame);
    pen.restore();
  }

  /** Whether no part of the model's curve can be seen. */
  isOutside(frame) {
    return !frame.curve.some((y) => y >= this.y[0] && y <= this.y[1]);
  }

  /** The example of the last step, and how far the model is from it. */
  #example(pen, frame) {
    const x = this.scene.x[frame.row];
    const across = this.#across(x);
    const down = this.#down(this.scene.y[frame.row]);
    pen.strokeStyle = this.colours.accent;
    pen.lineWidth = 2;
    line(pen, [[across, down], [across, this.#down(frame.says)]]);
    pen.beginPath();
    dot(pen, across, down, 7);
    pen.stroke();
  }
}

function line(pen, places) {
  pen.beginPath();
  for (const [x, y] of places) if (!Number.isNaN(y)) pen.lineTo(x, y);
  pen.stroke();
}

function dot(pen, x, y, radius) {
  pen.moveTo(x + radius, y);
  pen.arc(x, y, radius, 0, 2 * Math.PI);
}
