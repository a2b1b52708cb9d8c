// The loss over two parameters, in bands of its logarithm, with the way of the run and the ball on it.
import { make } from "./dom.js";
import { Picture, dot, line, short } from "./picture.js";

const BANDS = 16;
const FINE = 6; // pixels a cell, between which the surface is straight

export class SlopePicture extends Picture {
  constructor(canvas, selects) {
    super(canvas);
    this.selects = selects;
  }

  setScene(scene) {
    this.about = scene;
    if (this.slope && this.slope.names.join() !== scene.params.join()) this.slope = this.scene = undefined;
    this.selects.forEach((select, k) => {
      select.replaceChildren(...scene.params.slice(0, scene.paths).map((name, i) => make("option", { value: String(i), text: name })));
      select.value = String(k);
    });
    this.resize();
  }

  setSlope(slope) {
    if (slope.names.join() !== this.about?.params.join()) return;
    this.slope = this.scene = slope;
    [this.x, this.y] = slope.spans;
    this.selects.forEach((select, k) => (select.value = String(slope.chosen[k])));
    this.resize();
  }

  paintStill(pen) {
    const { left, right, top, bottom } = this.edge;
    const { width, height } = this.size;
    this.paintAxes(pen);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(this.#bands(), left, top, width - left - right, height - top - bottom);
    pen.fillStyle = this.colours.ink;
    const names = this.slope.chosen.map((i) => short(this.slope.names[i]));
    pen.textBaseline = "middle";
    for (const [text, align, x, y] of [[`${names[0]} →`, "right", width - right - 8, height - bottom - 14], [`${names[1]} ↑`, "left", left + 8, top + 14]]) {
      const wide = pen.measureText(text).width + 12;
      pen.globalAlpha = 0.86;
      pen.fillStyle = this.colours.panel;
      pen.fillRect(align === "left" ? x - 6 : x - wide + 6, y - 10, wide, 20);
      pen.globalAlpha = 1;
      pen.fillStyle = this.colours.ink;
      pen.textAlign = align;
      pen.fillText(text, x, y);
    }
  }

  /** The surface between its cells, as bands: a line of equal loss is where a band ends. */
  #bands() {
    const { cells, values } = this.slope;
    const side = cells * FINE;
    const sheet = make("canvas", { width: side, height: side });
    const pen = sheet.getContext("2d");
    const image = pen.createImageData(side, side);
    const known = values.filter((v) => v !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const span = high - low || 1;
    const ground = this.colours.rgb.panel;
    const colour = this.colours.rgb.classes[0];
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const value = between(values, cells, (x + 0.5) / FINE - 0.5, (y + 0.5) / FINE - 0.5);
        const at = 4 * ((side - 1 - y) * side + x);
        const band = value === null ? BANDS : Math.floor(((value - low) / span) * BANDS);
        const share = 0.78 * (1 - Math.min(band, BANDS - 1) / (BANDS - 1));
        for (let k = 0; k < 3; k++) image.data[at + k] = ground[k] + (colour[k] - ground[k]) * (value === null ? 0 : 0.06 + share);
        image.data[at + 3] = 255;
      }
    }
    pen.putImageData(image, 0, 0);
    return sheet;
  }

  draw(frame) {
    const pen = this.begin(frame);
    if (!pen) return;
    const [i, j] = this.slope.chosen;
    const { left, right, top, bottom } = this.edge;
    const count = this.about.paths;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, this.size.width - left - right, this.size.height - top - bottom);
    pen.clip();
    const places = Array.from(frame.path_epochs, (_, k) => [this.across(frame.paths[k * count + i]), this.down(frame.paths[k * count + j])]);
    const end = [this.across(frame.params[i]), this.down(frame.params[j])];
    pen.strokeStyle = this.colours.curve;
    pen.lineWidth = 2;
    line(pen, [...places, end]);
    pen.beginPath();
    if (places.length) dot(pen, ...places[0], 3.5);
    pen.fillStyle = this.colours.panel;
    pen.fill();
    pen.stroke();
    pen.beginPath();
    dot(pen, ...end, 7);
    pen.fillStyle = this.colours.curve;
    pen.fill();
    pen.strokeStyle = this.colours.panel;
    pen.stroke();
    pen.restore();
  }
}

/** A value between four cells; null where one of them is. */
function between(values, cells, x, y) {
  const a = Math.max(0, Math.min(cells - 2, Math.floor(x)));
  const b = Math.max(0, Math.min(cells - 2, Math.floor(y)));
  const [s, t] = [Math.max(0, Math.min(1, x - a)), Math.max(0, Math.min(1, y - b))];
  const at = (i, j) => values[j * cells + i];
  const corners = [at(a, b), at(a + 1, b), at(a, b + 1), at(a + 1, b + 1)];
  if (corners.includes(null)) return null;
  const [p, q] = [corners[0] * (1 - s) + corners[1] * s, corners[2] * (1 - s) + corners[3] * s];
  return p * (1 - t) + q * t;
}
