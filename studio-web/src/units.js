// A map of the plane for each unit of the hidden layers: what it gives there.
import { make } from "./dom.js";
import { Picture } from "./picture.js";
import { fill } from "./words.js";

export const SIDE = 52;
const GAP = 8, LINE = 20;
const OFTEN = 100; // milliseconds between two pictures while it plays

export class UnitsPicture extends Picture {
  /** `onLaid` hears where the maps lie. */
  constructor(canvas, onLaid = () => {}) {
    super(canvas);
    this.onLaid = onLaid;
    this.drawnAt = -Infinity;
  }

  setScene(scene) {
    this.scene = scene;
    this.cells = make("canvas", { width: scene.map, height: scene.map });
    this.#lay();
    this.resize();
  }

  /** As high as its rows: a layer takes as many as it needs. */
  #lay() {
    const wide = Math.max(this.canvas.parentElement.clientWidth, SIDE);
    this.columns = Math.max(1, Math.floor((wide + GAP) / (SIDE + GAP)));
    this.lines = [];
    this.places = [];
    let top = 0;
    for (const count of this.scene.units) {
      this.lines.push(top);
      for (let k = 0; k < count; k++) {
        this.places.push({ x: (k % this.columns) * (SIDE + GAP), y: top + LINE + Math.floor(k / this.columns) * (SIDE + GAP) });
      }
      top += LINE + Math.ceil(count / this.columns) * (SIDE + GAP);
    }
    this.canvas.parentElement.style.height = `${top}px`;
    this.onLaid(this.places);
  }

  resize() {
    if (this.scene) this.#lay();
    super.resize();
  }

  paintStill(pen) {
    pen.fillStyle = this.colours.soft;
    pen.textBaseline = "top";
    this.lines.forEach((top, i) => pen.fillText(fill(this.words.layer_name ?? "", { number: String(i + 1) }), 0, top + 3));
  }

  draw(frame) {
    const now = performance.now();
    if (frame.playing && now - this.drawnAt < OFTEN) return void (this.last = frame);
    this.drawnAt = now;
    const pen = this.scene?.units.length && this.begin(frame);
    if (!pen) return;
    const places = this.scene.map ** 2;
    pen.imageSmoothingEnabled = true;
    this.places.forEach(({ x, y }, at) => {
      this.#paint(frame.maps.subarray(at * places, (at + 1) * places));
      pen.drawImage(this.cells, x, y, SIDE, SIDE);
    });
  }

  /** Each map by its own range, blue below its middle and orange above. */
  #paint(values) {
    const count = this.scene.map;
    const pen = this.cells.getContext("2d");
    const image = pen.createImageData(count, count);
    const ground = this.colours.rgb.panel;
    const [low, high] = this.colours.rgb.classes;
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const half = (most - least) / 2 || 1;
    values.forEach((value, i) => {
      const at = 4 * ((count - 1 - Math.floor(i / count)) * count + (i % count));
      const share = most > least ? (value - (least + most) / 2) / half : 0;
      const colour = share < 0 ? low : high;
      for (let k = 0; k < 3; k++) image.data[at + k] = ground[k] + (colour[k] - ground[k]) * (0.06 + 0.8 * Math.abs(share));
      image.data[at + 3] = 255;
    });
    pen.putImageData(image, 0, 0);
  }
}
