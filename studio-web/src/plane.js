// Over two inputs: what the model says of each place, by colour, and the data on it.
import { Picture, dot, sign, short } from "./picture.js";
import { make } from "./dom.js";
import { mark } from "./words.js";

const PALE = 0.12; // how strong a class is where it is no likelier than the others
const STRONG = 0.62;

export class PlanePicture extends Picture {
  setScene(scene) {
    this.scene = scene;
    [this.x, this.y] = scene.axes;
    this.cells = make("canvas", { width: scene.cells, height: scene.cells });
    const sorted = [...scene.y].sort((a, b) => a - b);
    this.span = [sorted[0], sorted.at(-1)];
    if (!(this.span[1] > this.span[0])) this.span[1] = this.span[0] + 1;
    this.resize();
  }

  paintStill(pen) {
    this.paintAxes(pen);
  }

  draw(frame) {
    const pen = this.begin(frame);
    if (!pen) return;
    const { left, right, top, bottom } = this.edge;
    const { width, height } = this.size;
    this.#paintCells(frame.surface);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(this.cells, left, top, width - left - right, height - top - bottom);
    this.#paintRows(pen, width < 480 ? 2.6 : 3.6);
    this.#legend(pen);
    if (frame.row >= 0) {
      const [x, y] = [this.scene.x[0][frame.row], this.scene.x[1][frame.row]];
      pen.strokeStyle = this.colours.accent;
      pen.lineWidth = 2.5;
      pen.beginPath();
      if (x !== undefined) dot(pen, this.across(x), this.down(y), 9);
      pen.stroke();
    }
  }

  /** A pixel a cell; the rows of a picture go down, those of the surface up. */
  #paintCells(surface) {
    const count = this.scene.cells;
    const pen = this.cells.getContext("2d");
    const image = pen.createImageData(count, count);
    const ground = this.colours.rgb.panel;
    const kinds = this.scene.classes.length;
    for (let i = 0; i < count * count; i++) {
      const at = 4 * ((count - 1 - Math.floor(i / count)) * count + (i % count));
      let colour, share;
      if (kinds) {
        const kind = Math.floor(surface[i]);
        colour = this.colours.rgb.classes[kind % 6] ?? ground;
        const sure = (surface[i] - kind - 1 / kinds) / (1 - 1 / kinds);
        share = PALE + (STRONG - PALE) * Math.max(0, Math.min(1, sure));
      } else [colour, share] = this.#shade(surface[i]);
      for (let k = 0; k < 3; k++) image.data[at + k] = ground[k] + (colour[k] - ground[k]) * share;
      image.data[at + 3] = 255;
    }
    pen.putImageData(image, 0, 0);
  }

  /** A number as a colour: low ones blue, high ones orange. */
  #shade(value) {
    const middle = (this.span[0] + this.span[1]) / 2;
    const share = Math.max(-1, Math.min(1, (value - middle) / (this.span[1] - middle)));
    const [low, high] = this.colours.rgb.classes;
    return [share < 0 ? low : high, Number.isNaN(share) ? 0 : 0.08 + 0.72 * Math.abs(share)];
  }

  #paintRows(pen, radius) {
    const { x, y, held, classes } = this.scene;
    pen.lineWidth = 1;
    y.forEach((value, i) => {
      const kind = classes.length ? value : 0;
      sign(pen, kind, this.across(x[0][i]), this.down(x[1][i]), radius);
      let colour = this.colours.classes[kind % 6];
      if (!classes.length) {
        const [rgb, share] = this.#shade(value);
        const ground = this.colours.rgb.panel;
        colour = `rgb(${rgb.map((c, k) => Math.round(ground[k] + (c - ground[k]) * share)).join(",")})`;
      }
      pen.fillStyle = held[i] ? this.colours.panel : colour;
      pen.strokeStyle = held[i] && classes.length ? colour : this.colours.panel;
      pen.fill();
      if (!classes.length) pen.strokeStyle = this.colours.ink;
      pen.stroke();
    });
  }

  #legend(pen) {
    const { classes, inputs, held } = this.scene;
    const c = this.colours;
    const rows = classes.length
      ? classes.slice(0, 6).map((label, i) => [short(label), c.classes[i], i])
      : [[mark(Number(this.span[1].toPrecision(3))), c.classes[1], 0], [mark(Number(this.span[0].toPrecision(3))), c.classes[0], 0]];
    if (held.includes(1)) rows.push([this.words.legend_held ?? "", null, 0]);
    const { left, right, top, bottom } = this.edge;
    const wide = Math.max(...rows.map(([text]) => pen.measureText(text).width)) + 36;
    pen.globalAlpha = 0.86;
    pen.fillStyle = c.panel;
    pen.fillRect(left + 8, top + 8, wide, rows.length * 20 + 8);
    const names = [short(inputs[0]), `${short(inputs[1])} ↑`];
    const name = `${names[0]} →`;
    const [a, b] = [pen.measureText(name).width, pen.measureText(names[1]).width];
    pen.fillRect(this.size.width - right - a - 18, this.size.height - bottom - 26, a + 12, 20);
    pen.fillRect(left + 8, this.size.height - bottom - 26, b + 12, 20);
    pen.globalAlpha = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    rows.forEach(([text, colour, kind], i) => {
      const y = top + 22 + i * 20;
      sign(pen, kind, left + 22, y, 4.2);
      pen.fillStyle = colour ?? c.panel;
      pen.strokeStyle = c.soft;
      pen.fill();
      if (colour === null) pen.stroke();
      pen.fillStyle = c.ink;
      pen.fillText(text, left + 34, y);
    });
    pen.fillText(names[1], left + 14, this.size.height - bottom - 16);
    pen.fillText(name, this.size.width - right - a - 12, this.size.height - bottom - 16);
  }
}
