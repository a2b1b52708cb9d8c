// The whole drawing in one element: pictures, numbers, sentence.
import { Board } from "./board.js";
import { make } from "./dom.js";
import { FitPicture } from "./fit.js";
import { readFrame } from "./frame.js";
import { LossPicture } from "./loss.js";
import ownStyle from "./style.css";
import { fill, fixed, number } from "./words.js";
import plotStyle from "uplot/dist/uPlot.min.css";

const DESCRIBED = 1000; // milliseconds between two descriptions of the pictures

/**
 * Draw a descent in an element.
 *
 * Options: `words`, the catalogue of one language; `dark`, or nothing for what the system prefers.
 * Returns what the drawing takes: a scene, frames (ArrayBuffers; the latest one is drawn at the
 * next animation frame, and only then `onDrawn` is called), words, light or dark.
 */
export function draw(element, { words, dark, onDrawn = () => {} } = {}) {
  addStyle(element.getRootNode());
  const board = new Board();
  const canvas = make("canvas", { role: "img" });
  const fit = new FitPicture(canvas);
  const plot = make("div", { class: "ds-plot", role: "img" });
  const loss = new LossPicture(plot);
  const titles = { fit: make("h2"), loss: make("h2"), progress: make("h2") };
  const root = make(
    "div",
    { class: "ds-root" },
    make("div", { class: "ds-told" }, board.sentence, board.spoken),
    make("section", { class: "ds-panel ds-fit" }, titles.fit, make("div", { class: "ds-canvas" }, canvas), board.example),
    make("section", { class: "ds-panel ds-numbers" }, titles.progress, board.progress, board.table),
    make("section", { class: "ds-panel ds-loss" }, titles.loss, plot),
  );
  element.replaceChildren(root);

  let texts, scene, latest, waiting, describedAt = -Infinity, drawn = 0;

  function describe(frame) {
    const now = performance.now();
    if (frame.playing && now - describedAt < DESCRIBED) return;
    describedAt = now;
    const parameters = scene.params.map((name, i) => `${name} = ${fixed(frame.params[i])}`).join(", ");
    canvas.setAttribute("aria-label", fill(texts.fit_described, { rows: scene.x.length, parameters }));
    plot.setAttribute("aria-label", fill(texts.loss_described, { loss: number(frame.loss) }));
  }

  function paint() {
    waiting = undefined;
    const frame = readFrame(latest);
    onDrawn(frame);
    fit.draw(frame);
    loss.draw(frame);
    board.draw(frame, fit.isOutside(frame));
    describe(frame);
    root.dataset.frames = String((drawn += 1));
  }

  function layOut() {
    fit.resize();
    loss.rebuild();
  }

  const watching = new ResizeObserver(layOut);
  watching.observe(canvas);
  watching.observe(plot);

  const drawing = {
    scene(found) {
      scene = found;
      board.setScene(scene);
      fit.setScene(scene);
    },
    frame(buffer) {
      latest = buffer;
      waiting ??= requestAnimationFrame(paint);
    },
    words(found) {
      texts = fit.words = loss.words = found;
      for (const [key, title] of Object.entries(titles)) title.textContent = texts[key];
      board.setWords(texts);
      describedAt = -Infinity;
      if (latest) describe(readFrame(latest));
      layOut();
    },
    dark(on) {
      if (on === undefined) delete root.dataset.theme;
      else root.dataset.theme = on ? "dark" : "light";
      layOut();
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
