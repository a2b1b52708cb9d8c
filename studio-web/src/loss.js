// The loss by epoch, on a log scale: the mean of each epoch, and beside it the loss as it is now.
import uPlot from "uplot";
import { coloursOf, fontOf } from "./theme.js";
import { number } from "./words.js";

const HIGHEST = 1e300; // above, the logarithm's axis has no place

/** A loss as the log scale takes it: null where it has none. */
function positive(value) {
  return value > 0 && value < HIGHEST ? value : null;
}

export class LossPicture {
  constructor(place) {
    this.place = place;
    this.words = {};
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
        scales: { x: { time: false, range: (_, low, high) => [0, Math.max(high ?? 0, 1)] }, y: { distr: 3 } },
        axes: [
          { ...axis, size: 32, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6, 1e7] },
          { ...axis, size: 56, values: (_, places) => places.map((v) => (v === null ? "" : power(v))) },
        ],
        series: [
          {},
          { stroke: c.point, width: 2, spanGaps: false, points: { show: false } },
          { stroke: c.curve, width: 1.5, points: { show: false } },
          { stroke: c.curve, fill: c.curve, paths: () => null, points: { show: true, size: 9, fill: c.curve } },
        ],
      },
      [[0], [null], [null], [null]],
      this.place,
    );
    if (this.last) this.draw(this.last);
  }

  draw(frame) {
    this.last = frame;
    if (!this.plot) return;
    // Three courses that have their own places, on one axis: uPlot joins them.
    const means = [[...frame.epochs], Array.from(frame.losses, positive)];
    const within = [[...frame.within_epochs], Array.from(frame.within_losses, positive)];
    const end = frame.within_epochs.length - 1;
    const now = [[frame.within_epochs[end]], [positive(frame.within_losses[end])]];
    this.plot.setData(uPlot.join([means, within, now]));
  }
}

/** A power of ten as an axis says it; others are not named, but where the scale is short. */
function power(value) {
  const exponent = Math.log10(value);
  return Number.isInteger(Math.round(exponent * 1e9) / 1e9) ? number(value, 1) : "";
}
