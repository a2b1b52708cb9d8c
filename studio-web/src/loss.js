// The loss by epoch, on a log scale: the mean of each epoch, and beside it the loss as it is now.
import uPlot from "uplot";
import { coloursOf, fontOf } from "./theme.js";
import { mark } from "./words.js";

/** Steps between marks on an axis of epochs. */
export const EPOCHS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6, 1e7];
const HIGHEST = 1e300; // above, the logarithm's axis has no place

/** A loss as the log scale takes it: null where it has none. */
function positive(value) {
  return value > 0 && value < HIGHEST ? value : null;
}

export class LossPicture {
  constructor(place) {
    this.place = place;
    this.words = {};
    this.kept = [];
  }

  /** Draw the courses of runs that were kept as well: epochs and losses of each. */
  setKept(kept) {
    this.kept = kept.map(({ epochs, losses }) => [epochs, losses.map((v) => (v === null ? null : positive(v)))]);
    this.rebuild();
  }

  /** Make it anew: for a place of another size, another language, other colours. */
  rebuild() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width) return;
    this.plot?.destroy();
    const c = coloursOf(this.place);
    const font = fontOf(this.place, 12);
    const axis = { stroke: c.soft, font, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line } };
    this.plot = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { show: false },
        padding: [12, 14, 0, 0],
        scales: { x: { time: false, range: () => [0, Math.max(this.#end(), 1)] }, y: { distr: 3, range: (_, low, high) => decades(low, high) } },
        axes: [
          { ...axis, size: 32, incrs: EPOCHS },
          {
            ...axis,
            size: 52,
            splits: (_plot, _axis, low, high) => logTicks(low, high, height / 34),
            filter: (_, places) => places,
            values: (_, places) => places.map(mark),
          },
        ],
        series: [
          {},
          { stroke: c.point, width: 2, spanGaps: false, points: { show: false } },
          { stroke: c.curve, width: 1.5, points: { show: false } },
          { stroke: c.curve, fill: c.curve, paths: () => null, points: { show: true, size: 9, fill: c.curve } },
          { stroke: c.accent, width: 2, dash: [6, 4], spanGaps: true, points: { show: false } },
          ...this.kept.map(([epochs], i) => ({
            stroke: c.classes[i % 6], width: 2, dash: [5, 3], spanGaps: true, points: { show: epochs.length < 2, size: 8, fill: c.classes[i % 6] },
          })),
        ],
      },
      [[0], [null], [null], [null], [null], ...this.kept.map(() => [null])],
      this.place,
    );
    if (this.last) this.draw(this.last);
  }

  /** Where the run stands, in epochs, or the longest of those that are shown. */
  #end() {
    const ends = this.kept.map(([epochs]) => epochs.at(-1) ?? 0);
    return Math.max(this.last ? this.last.within_epochs.at(-1) : 0, ...ends);
  }

  draw(frame) {
    this.last = frame;
    if (!this.plot) return;
    // Courses that have their own places, on one axis: uPlot joins them.
    const means = [[...frame.epochs], Array.from(frame.losses, positive)];
    const within = [[...frame.within_epochs], Array.from(frame.within_losses, positive)];
    const end = frame.within_epochs.length - 1;
    const now = [[frame.within_epochs[end]], [positive(frame.within_losses[end])]];
    const held = frame.held.length ? [means[0], Array.from(frame.held, positive)] : [[0], [null]];
    this.plot.setData(uPlot.join([means, within, now, held, ...this.kept]));
  }
}

/** The powers of ten around two losses. */
export function decades(low, high) {
  if (!(low > 0)) return [1, 10];
  const first = Math.floor(Math.log10(low));
  return [10 ** first, 10 ** Math.max(Math.ceil(Math.log10(high)), first + 1)];
}

/** The marks of a log scale: powers of ten, as many as have room, or parts of them where it is short. */
export function logTicks(low, high, most) {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.ceil(Math.log10(high) - 1e-9);
  const every = Math.max(1, Math.ceil((last - first) / most));
  const parts = last - first <= 2 ? [1, 2, 5] : [1];
  const places = [];
  for (let power = Math.ceil(first / every) * every; power <= last; power += every) {
    for (const part of parts) {
      const place = Number(`${part}e${power}`);
      if (place >= low * (1 - 1e-9) && place <= high * (1 + 1e-9)) places.push(place);
    }
  }
  return places;
}
