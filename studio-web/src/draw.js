// The whole drawing in one element: pictures, numbers, sentence.
import { Board } from "./board.js";
import { make } from "./dom.js";
import { FitPicture } from "./fit.js";
import { readFrame } from "./frame.js";
import { LossPicture } from "./loss.js";
import { PairsPicture, TablePicture } from "./pairs.js";
import { PathsPicture } from "./paths.js";
import { PlanePicture } from "./plane.js";
import { SlopePicture } from "./slope.js";
import { UnitsPicture } from "./units.js";
import { Weights } from "./weights.js";
import ownStyle from "./style.css";
import { fill, fixed, number } from "./words.js";
import plotStyle from "uplot/dist/uPlot.min.css";

const DESCRIBED = 1000; // milliseconds between two descriptions of the pictures
const KINDS = {
  curve: { Picture: FitPicture, title: "fit", described: "fit_described" },
  plane: { Picture: PlanePicture, title: "surface", described: "surface_described" },
  pairs: { Picture: PairsPicture, title: "pairs", described: "pairs_described" },
  table: { Picture: TablePicture, title: "table", described: "table_described" },
};

/**
 * Draw a descent in an element.
 *
 * Options: `words`, the catalogue of one language; `dark`, or nothing for what the system prefers.
 * Returns what the drawing takes: a scene, frames (ArrayBuffers; the latest one is drawn at the
 * next animation frame, and only then `onDrawn` is called), words, light or dark; the courses of
 * other runs; a surface of the loss, for other parameters of which `onPlane` asks; whether a click
 * on the curve's picture calls `onPoint`. With `onUnit`, `onEdit` and `onUndo` the weights of hidden
 * units are looked at and set.
 */
export function draw(element, { words, dark, onDrawn = () => {}, onPoint = () => {}, onPlane = () => {}, ...onWeights } = {}) {
  addStyle(element.getRootNode());
  const board = new Board();
  const canvas = make("canvas", { role: "img" });
  const plot = make("div", { class: "ds-plot", role: "img" });
  const loss = new LossPicture(plot);
  const way = make("div", { class: "ds-plot", role: "img" });
  const legend = make("ul", { class: "ds-legend", "aria-hidden": "true" });
  const paths = new PathsPicture(way, legend);
  const grid = make("canvas", { role: "img" });
  const weights = onWeights.onUnit && new Weights(onWeights);
  const units = new UnitsPicture(grid, (places) => weights?.lay(places));
  const hill = make("canvas", { role: "img" });
  const axes = [make("select"), make("select")];
  const slope = new SlopePicture(hill, axes);
  const titles = { slope_title: make("h2"), fit: make("h2"), loss: make("h2"), progress: make("h2"), paths: make("h2"), units_title: make("h2") };
  const neurons = make("section", { class: "ds-panel ds-units", hidden: "" }, titles.units_title, make("div", { class: "ds-maps" }, grid));
  if (weights) {
    grid.after(weights.buttons);
    neurons.append(weights.root);
  }
  const valley = make(
    "section",
    { class: "ds-panel ds-slope", hidden: "" },
    make("div", { class: "ds-chosen" }, titles.slope_title, ...axes),
    make("div", { class: "ds-hill" }, hill),
  );
  const root = make(
    "div",
    { class: "ds-root" },
    make("div", { class: "ds-told" }, board.sentence, board.spoken),
    make("section", { class: "ds-panel ds-fit" }, titles.fit, make("div", { class: "ds-canvas" }, canvas), board.example),
    make("section", { class: "ds-panel ds-numbers" }, titles.progress, board.progress, board.table),
    make("section", { class: "ds-panel ds-loss" }, titles.loss, plot),
    neurons,
    valley,
    make("section", { class: "ds-panel ds-paths" }, titles.paths, way, legend),
  );
  element.replaceChildren(make("div", { class: "ds-outer" }, root));

  let texts, scene, latest, waiting, picture = new FitPicture(canvas), kind = KINDS.curve;
  let describedAt = -Infinity, drawn = 0, draws = false;

  function describe(frame) {
    const now = performance.now();
    if (frame.playing && now - describedAt < DESCRIBED) return;
    describedAt = now;
    const parameters = scene.params.map((name, i) => `${name} = ${fixed(frame.params[i])}`).join(", ");
    const gaps = { rows: scene.y.length, parameters, inputs: scene.inputs.join(", ") };
    canvas.setAttribute("aria-label", fill(texts[kind.described], gaps));
    plot.setAttribute("aria-label", fill(texts.loss_described, { loss: number(frame.loss) }));
    gaps.units = scene.units.reduce((a, b) => a + b, 0);
    grid.setAttribute("aria-label", fill(texts.units_described, gaps));
    hill.setAttribute("aria-label", fill(texts.slope_described, gaps));
    way.setAttribute("aria-label", fill(texts.paths_described, gaps));
  }

  function paint() {
    waiting = undefined;
    const frame = readFrame(latest);
    onDrawn(frame);
    board.draw(frame, picture.isOutside(frame));
    picture.draw(frame);
    loss.draw(frame);
    paths.draw(frame);
    units.draw(frame);
    weights?.draw(frame);
    slope.draw(frame);
    describe(frame);
    root.dataset.frames = String((drawn += 1));
    root.dataset.kind = scene.kind;
  }

  function layOut() {
    picture.resize();
    loss.rebuild();
    paths.rebuild();
    units.resize();
    slope.resize();
  }

  function choose(changed) {
    const chosen = axes.map((select) => Number(select.value));
    if (chosen[0] === chosen[1]) chosen[1 - changed] = slope.slope.chosen[changed];
    onPlane(...chosen);
  }

  function name() {
    for (const [key, title] of Object.entries(titles)) title.textContent = texts[key === "fit" ? kind.title : key];
  }

  function point(event) {
    if (!draws || scene?.kind !== "curve" || scene.classes.length) return;
    const place = picture.placeOf(event.offsetX, event.offsetY);
    if (place) onPoint(...place);
  }

  const watching = new ResizeObserver(layOut);
  watching.observe(canvas);
  watching.observe(plot);
  watching.observe(grid);
  watching.observe(hill);
  axes.forEach((select, k) => select.addEventListener("change", () => choose(k)));
  canvas.addEventListener("click", point);

  const drawing = {
    scene(found) {
      scene = found;
      kind = KINDS[scene.kind];
      if (!(picture instanceof kind.Picture)) picture = new kind.Picture(canvas);
      picture.words = texts;
      picture.last = loss.last = units.last = undefined;
      neurons.hidden = !scene.units.length;
      weights?.setScene(scene);
      units.setScene(scene);
      valley.hidden = !scene.sloped;
      root.classList.toggle("ds-sloped", scene.sloped);
      slope.last = undefined;
      slope.setScene(scene);
      latest = undefined;
      board.setScene(scene);
      picture.setScene(scene);
      paths.setScene(scene);
      name();
      describedAt = -Infinity;
    },
    slope: (found) => slope.setSlope(found),
    frame(buffer) {
      latest = buffer;
      waiting ??= requestAnimationFrame(paint);
    },
    words(found) {
      texts = picture.words = loss.words = units.words = found;
      axes.forEach((select, k) => select.setAttribute("aria-label", texts[k ? "up" : "across"]));
      name();
      board.setWords(texts);
      weights?.setWords(texts);
      describedAt = -Infinity;
      if (latest) describe(readFrame(latest));
      layOut();
    },
    dark(on) {
      if (on === undefined) delete root.dataset.theme;
      else root.dataset.theme = on ? "dark" : "light";
      layOut();
    },
    kept: (runs) => loss.setKept(runs),
    drawsPoints(on) {
      draws = on;
      canvas.style.cursor = on ? "crosshair" : "";
    },
    destroy() {
      watching.disconnect();
      if (waiting) cancelAnimationFrame(waiting);
      element.replaceChildren();
    },
  };
  drawing.dark(dark);
  drawing.words(words);
  return drawing;
}

function addStyle(root) {
  const place = root.head ?? root;
  if (place.querySelector("style[data-descend]")) return;
  place.append(make("style", { "data-descend": "", text: plotStyle + ownStyle }));
}
