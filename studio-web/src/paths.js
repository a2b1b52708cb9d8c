// The way of each parameter, or of the norm of an array of them, by epoch.
import uPlot from "uplot";
import { make, say } from "./dom.js";
import { coloursOf, fontOf } from "./theme.js";
import { EPOCHS } from "./loss.js";
import { mark } from "./words.js";

const OFTEN = 250; // milliseconds between two pictures while it plays

export class PathsPicture {
  constructor(place, legend) {
    this.place = place;
    this.legend = legend;
    this.drawnAt = -Infinity;
  }

  setScene(scene) {
    this.scene = scene;
    this.last = undefined;
    this.rebuild();
  }

  rebuild() {
    const { clientWidth: width, clientHeight: height } = this.place;
    this.plot?.destroy();
    this.plot = undefined;
    if (!width || !this.scene) return;
    const c = coloursOf(this.place);
    const font = fontOf(this.place, 12);
    const axis = { stroke: c.soft, font, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line } };
    const names = this.scene.params.slice(0, this.scene.paths);
    this.plot = new uPlot(
      {
        width, height,
        legend: { show: false },
        cursor: { show: false },
        padding: [12, 14, 0, 0],
        scales: { x: { time: false, range: () => [0, Math.max(this.last?.path_epochs.at(-1) ?? 0, 1)] } },
        axes: [{ ...axis, size: 32, incrs: EPOCHS }, { ...axis, size: 60, values: (_, places) => places.map(mark) }],
        series: [{}, ...names.map((_, i) => ({
          stroke: c.classes[i % 6], width: 2, dash: i < 6 ? undefined : [6, 4], points: { show: false },
        }))],
      },
      [[0], ...names.map(() => [null])],
      this.place,
    );
    this.marks = names.map((name) => make("span", { text: name }));
    this.legend.replaceChildren(...this.marks.map((mark, i) =>
      make("li", {}, make("i", { style: `background: ${c.classes[i % 6]}` }), mark)));
    if (this.last) this.#draw(this.last);
  }

  draw(frame) {
    this.last = frame;
    const now = performance.now();
    if (!this.plot || (frame.playing && now - this.drawnAt < OFTEN)) return;
    this.drawnAt = now;
    this.#draw(frame);
  }

  /** Where parameters are of very different sizes, each is drawn in its own power of ten. */
  #level(columns) {
    const powers = columns.map(powerOf);
    const known = powers.filter((power) => power !== null);
    const apart = known.length > 0 && Math.max(...known) - Math.min(...known) > 1;
    columns.forEach((column, k) => {
      const power = apart ? powers[k] ?? 0 : 0;
      say(this.marks[k], this.scene.params[k] + (power ? ` ÷ ${mark(10 ** power)}` : ""));
      if (power) column.forEach((v, i) => (column[i] = v === null ? null : v / 10 ** power));
    });
  }

  #draw(frame) {
    const count = this.scene.paths;
    const places = frame.path_epochs.length;
    const columns = Array.from({ length: count }, (_, k) =>
      Array.from({ length: places }, (_, i) => finite(frame.paths[i * count + k])));
    this.#level(columns);
    this.plot.setData([[...frame.path_epochs], ...columns]);
  }
}

/** The power of ten of the largest number. */
function powerOf(column) {
  const most = Math.max(...column.map((v) => Math.abs(v ?? 0)));
  return most > 0 ? Math.floor(Math.log10(most)) : null;
}

function finite(value) {
  return Math.abs(value) < 1e100 ? value : null;
}
