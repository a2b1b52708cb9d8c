// Whole trainings over two numbers: a cell for each, its loss by colour; pointed at, picked, zoomed into.
import { make } from "./dom.js";
import { coloursOf, fontOf } from "./theme.js";
import { mark } from "./words.js";

// From dark to light in even steps of lightness, which all kinds of colour vision tell apart.
const SCALE = [[0, 32, 76], [49, 68, 107], [102, 105, 112], [149, 143, 120], [203, 186, 105], [255, 233, 69]];
const EDGE = { left: 64, right: 12, top: 10, bottom: 40 };
const LOST = [190, 197, 206];
const FAR = 8; // pixels that a pointer goes until it draws a frame

/** Show the trainings of `data` in an element, which hears `pick` and `zoom`. */
export function showMap(element, data) {
  const canvas = make("canvas");
  const told = make("p", { class: "ds-map-told" });
  element.replaceChildren(canvas, told);
  const axes = data.values.map((values, k) => axisOf(values, data.rising[k]));
  const losses = data.loss.flat().filter((v) => v !== null);
  const low = Math.min(...losses), high = Math.max(...losses);
  const powers = low > 0 && high > 20 * low;
  const share = (v) => (powers ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low || 1));
  let size, from, to;

  function place(at) {
    const { left, right, top, bottom } = EDGE;
    const across = (at[0] - left) / (size.width - left - right);
    const up = (size.height - bottom - at[1]) / (size.height - top - bottom);
    return [up, across]; // the first number goes up
  }

  function draw() {
    size = { width: element.clientWidth, height: Math.min(460, Math.max(280, element.clientWidth * 0.6)) };
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(size.width * ratio);
    canvas.height = Math.round(size.height * ratio);
    canvas.style.width = `${size.width}px`;
    canvas.style.height = `${size.height}px`;
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = fontOf(element, 12);
    const { left, right, top, bottom } = EDGE;
    const width = size.width - left - right, height = size.height - top - bottom;
    const [up, across] = axes;
    data.loss.forEach((row, i) => row.forEach((loss, j) => {
      const x = left + across.edges[j] * width, wide = (across.edges[j + 1] - across.edges[j]) * width;
      const y = top + (1 - up.edges[i + 1]) * height, tall = (up.edges[i + 1] - up.edges[i]) * height;
      pen.fillStyle = css(loss === null ? LOST : colour(share(loss)));
      pen.fillRect(x, y, wide + 0.6, tall + 0.6);
    }));
    const colours = coloursOf(element.closest(".drawing") ?? document.querySelector(".ds-root") ?? element);
    pen.fillStyle = colours.soft || "#586374";
    pen.textBaseline = "top";
    pen.textAlign = "center";
    for (const { at, text } of across.ticks) pen.fillText(text, left + at * width, top + height + 6);
    pen.fillText(data.names[1], left + width / 2, top + height + 22);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const { at, text } of up.ticks) pen.fillText(text, left - 6, top + (1 - at) * height);
    pen.save();
    pen.translate(12, top + height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(data.names[0], 0, 0);
    pen.restore();
    if (data.best) {
      const [i, j] = data.best;
      ring(pen, left + across.middle(j) * width, top + (1 - up.middle(i)) * height);
    }
    if (from && to) {
      pen.strokeStyle = colours.ink || "#1c2430";
      pen.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
    }
  }

  function cell(at) {
    return place(at).map((share, k) => axes[k].cell(share));
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  canvas.addEventListener("pointerdown", (event) => {
    from = point(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = point(event);
    const [i, j] = cell(at);
    const loss = data.loss[i][j];
    told.textContent = `${data.names[0]} ${mark(data.values[0][i])}, ${data.names[1]} ${mark(data.values[1][j])}: `
      + (loss === null ? "–" : mark(loss));
    if (!from) return;
    to = at;
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    const [begin, end] = [from, point(event)];
    from = to = null;
    draw();
    if (!begin) return;
    if (Math.hypot(end[0] - begin[0], end[1] - begin[1]) < FAR) tell("pick", cell(end));
    else {
      const [a, b] = [cell(begin), cell(end)];
      tell("zoom", [0, 1].map((k) => [a[k], b[k]].sort((p, q) => p - q).map((n) => data.values[k][n])));
    }
  });

  function tell(name, detail) {
    element.dispatchEvent(new CustomEvent(name, { detail }));
  }

  const watched = new ResizeObserver(() => (element.isConnected ? draw() : watched.disconnect()));
  watched.observe(element);
  draw();
}

/** Where the values of an axis stand, from 0 to 1, and the marks on it; `rising` by factors or in even steps. */
function axisOf(values, rising) {
  const own = values.map((v) => (rising ? Math.log(v) : v));
  const inner = own.slice(1).map((v, k) => (v + own[k]) / 2);
  const first = own.length > 1 ? 2 * own[0] - inner[0] : own[0] - 1;
  const last = own.length > 1 ? 2 * own.at(-1) - inner.at(-1) : own[0] + 1;
  const edges = [first, ...inner, last].map((e) => (e - first) / (last - first));
  const at = (v) => ((rising ? Math.log(v) : v) - first) / (last - first);
  const shown = rising ? decades(values[0], values.at(-1)) : [0, 1, 2, 3, 4].map((k) => values[Math.round((k * (values.length - 1)) / 4)]);
  return {
    edges,
    middle: (k) => (edges[k] + edges[k + 1]) / 2,
    cell: (share) => Math.max(0, Math.min(values.length - 1, edges.findIndex((e) => e > share) - 1 + (share >= 1 ? values.length + 1 : 0))),
    ticks: [...new Set(shown)].map((v) => ({ at: at(v), text: mark(v) })),
  };
}

function decades(low, high) {
  const found = [];
  for (let k = Math.floor(Math.log10(low)); 10 ** k <= high; k++)
    for (const m of high / low > 300 ? [1] : [1, 2, 5]) if (m * 10 ** k >= low && m * 10 ** k <= high) found.push(m * 10 ** k);
  return found.length > 1 ? found : [low, high];
}

function colour(share) {
  const at = Math.max(0, Math.min(1, share)) * (SCALE.length - 1);
  const k = Math.min(Math.floor(at), SCALE.length - 2);
  return SCALE[k].map((v, i) => v + (SCALE[k + 1][i] - v) * (at - k));
}

function css(parts) {
  return `rgb(${parts.map(Math.round).join(",")})`;
}

function ring(pen, x, y) {
  for (const [width, style] of [[5, "#fff"], [2.5, "#d95f1e"]]) {
    pen.lineWidth = width;
    pen.strokeStyle = style;
    pen.beginPath();
    pen.arc(x, y, 8, 0, 7);
    pen.stroke();
  }
}
