// What all pictures on a canvas share: their place, axes, marks; what does not change is painted once.
import { make } from "./dom.js";
import { coloursOf, fontOf } from "./theme.js";
import { mark } from "./words.js";

export const EDGE = { left: 50, right: 14, top: 14, bottom: 30 };
const STEPS = [1, 2, 2.5, 5, 10];
const FAR = 1e4; // pixels: what is far outside; infinities too

/** Round places on an axis, about so many. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = STEPS.map((s) => s * power).find((s) => s >= rough);
  const places = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) places.push(i * step);
  return places;
}

export class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.still = make("canvas");
    this.words = {};
    this.edge = EDGE;
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
    const pen = this.still.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.font = this.font;
    this.paintStill(pen);
    if (this.last) this.draw(this.last);
  }

  /** A clean sheet on what stands still; nothing where there is no place. */
  begin(frame) {
    this.last = frame;
    if (!this.scene || !this.size?.width) return null;
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.size.width, this.size.height);
    pen.drawImage(this.still, 0, 0, this.size.width, this.size.height);
    pen.font = this.font;
    return pen;
  }

  across(x) {
    const { left, right } = this.edge;
    const place = left + ((x - this.x[0]) / (this.x[1] - this.x[0])) * (this.size.width - left - right);
    return Math.max(-FAR, Math.min(FAR, place));
  }

  down(y) {
    const { top, bottom } = this.edge;
    const share = (y - this.y[0]) / (this.y[1] - this.y[0]);
    const place = top + (1 - share) * (this.size.height - top - bottom);
    return Math.max(-FAR, Math.min(FAR, place));
  }

  /** The place on the axes that lies under a pixel. */
  placeOf(across, down) {
    const { left, right, top, bottom } = this.edge;
    const x = (across - left) / (this.size.width - left - right);
    const y = 1 - (down - top) / (this.size.height - top - bottom);
    if (x < 0 || x > 1 || y < 0 || y > 1) return null;
    return [this.x[0] + x * (this.x[1] - this.x[0]), this.y[0] + y * (this.y[1] - this.y[0])];
  }

  /** Lines across, and numbers on both axes. */
  paintAxes(pen, names = []) {
    const { width, height } = this.size;
    const { left, right, bottom } = this.edge;
    const c = this.colours;
    pen.lineWidth = 1;
    pen.strokeStyle = c.line;
    pen.fillStyle = c.soft;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const y of ticks(...this.y, height / 60)) {
      const at = Math.round(this.down(y)) + 0.5;
      line(pen, [[left, at], [width - right, at]]);
      pen.fillText(mark(y), left - 8, at);
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const x of ticks(...this.x, width / 90)) pen.fillText(mark(x), this.across(x), height - bottom + 8);
    pen.fillStyle = c.ink;
    if (names[0]) {
      pen.textAlign = "right";
      pen.textBaseline = "bottom";
      pen.fillText(short(names[0]), width - right - 6, height - bottom - 6);
    }
    if (names[1]) {
      pen.textAlign = "left";
      pen.textBaseline = "top";
      pen.fillText(short(names[1]), left + 8, this.edge.top);
    }
  }

  isOutside() {
    return false;
  }
}

/** A range around numbers, with some room; only those that are numbers count. */
export function rangeOf(values, share) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(high >= low)) return [-1, 1];
  const room = (high - low) * share || Math.abs(high) * 0.5 || 1;
  return [low - room, high + room];
}

export function line(pen, places) {
  pen.beginPath();
  for (const [x, y] of places) if (!Number.isNaN(y)) pen.lineTo(x, y);
  pen.stroke();
}

export function dot(pen, x, y, radius) {
  pen.moveTo(x + radius, y);
  pen.arc(x, y, radius, 0, 2 * Math.PI);
}

/** A sign of a class, which is told by its form as well: disc, square, triangle, rhomb. */
export function sign(pen, kind, x, y, radius) {
  pen.beginPath();
  if (kind % 4 === 0) dot(pen, x, y, radius);
  else if (kind % 4 === 1) pen.rect(x - radius * 0.9, y - radius * 0.9, radius * 1.8, radius * 1.8);
  else {
    const corners = kind % 4 === 2 ? [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]] : [[0, -1.3], [1.1, 0], [0, 1.3], [-1.1, 0]];
    corners.forEach(([a, b]) => pen.lineTo(x + a * radius, y + b * radius));
    pen.closePath();
  }
}

/** A name that has room in a picture. */
export function short(text, most = 24) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
