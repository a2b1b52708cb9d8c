// The hidden units as buttons on their maps, and the weights of the one that is chosen as fields.
import { make, say } from "./dom.js";
import { SIDE } from "./units.js";
import { fill } from "./words.js";

const TOWARD = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEPS = { ArrowUp: 0.1, ArrowDown: -0.1, PageUp: 1, PageDown: -1 };
const LARGEST = 1e6; // what a run takes
const ASIDE = 3; // times as far a unit counts that lies aside of an arrow's way
const NONE = -1;

export class Weights {
  /** `onUnit` chooses a unit, `onEdit` sets one of its numbers, `onUndo` sets the last one back. */
  constructor({ onUnit, onEdit, onUndo }) {
    this.act = { onUnit, onEdit, onUndo };
    this.buttons = make("div", { class: "ds-choose", role: "group" });
    this.title = make("h3");
    this.told = make("p", { class: "ds-unit-told" });
    this.rest = make("p", { class: "ds-unit-told" });
    this.list = make("div", { class: "ds-weights" });
    this.undo = make("button", { type: "button", class: "ds-undo" });
    this.close = make("button", { type: "button", class: "ds-close" });
    const bar = make("div", { class: "ds-unit-bar" }, this.title, this.undo, this.close);
    this.root = make("section", { class: "ds-unit", hidden: "" }, bar, this.told, this.list, this.rest);
    this.undo.addEventListener("click", () => this.#send(onUndo));
    this.close.addEventListener("click", () => this.#leave());
    this.buttons.addEventListener("keydown", (event) => this.#walk(event));
    this.words = {};
    this.shown = NONE;
  }

  setScene(scene) {
    this.scene = scene;
    this.last = undefined;
    this.sent = 0;
    this.shown = NONE;
    this.root.hidden = true;
    this.marks = scene.units.flatMap((count, layer) => Array.from({ length: count }, (_, unit) => {
      const mark = make("button", { type: "button", tabindex: "-1", "aria-pressed": "false" });
      mark.addEventListener("click", () => this.#choose(mark));
      return { mark, layer, unit };
    }));
    this.marks[0]?.mark.setAttribute("tabindex", "0");
    this.buttons.replaceChildren(...this.marks.map(({ mark }) => mark));
    this.setWords(this.words);
  }

  /** Lay the buttons on the maps. */
  lay(places) {
    places.forEach(({ x, y }, i) => {
      Object.assign(this.marks[i], { x, y });
      Object.assign(this.marks[i].mark.style, { left: `${x}px`, top: `${y}px`, width: `${SIDE}px`, height: `${SIDE}px` });
    });
  }

  setWords(words) {
    this.words = words;
    this.buttons.setAttribute("aria-label", words.units_choose ?? "");
    for (const { mark, layer, unit } of this.marks ?? []) {
      mark.setAttribute("aria-label", this.#named(layer, unit));
      mark.title = this.#named(layer, unit);
    }
    say(this.undo, words.unit_undo ?? "");
    say(this.close, words.unit_close ?? "");
    if (this.shown !== NONE) this.#build();
    if (this.last) this.draw(this.last);
  }

  draw(frame) {
    this.last = frame;
    this.sent = Math.max(this.sent, frame.edits);
    if (frame.unit !== this.shown) {
      this.shown = frame.unit;
      this.root.hidden = this.shown === NONE;
      this.marks.forEach(({ mark }, i) => mark.setAttribute("aria-pressed", String(i === this.shown)));
      if (this.shown !== NONE) this.#build();
    }
    if (this.shown === NONE) return;
    // What has been set and has not come back yet stands as it was set.
    if (this.sent > frame.edits) return;
    this.undo.disabled = !frame.undo;
    this.values = [...frame.weights];
    const rest = this.values.pop();
    this.fields.forEach((field, i) => field === this.held || write(field, this.values[i]));
    const count = this.#incoming();
    const shown = this.fields.length - 1;
    say(this.rest, shown < count ? fill(this.words.unit_rest, { shown, count, norm: rest }) : "");
  }

  #incoming() {
    return this.scene.incoming[this.marks[this.shown].layer];
  }

  #named(layer, unit) {
    return fill(this.words.unit_named ?? "", { layer: layer + 1, unit: unit + 1 });
  }

  /** A field for each weight that is told, by the name of where it comes from, and for the bias. */
  #build() {
    const { layer, unit } = this.marks[this.shown];
    say(this.title, this.#named(layer, unit));
    const scaled = layer === 0 && this.scene.scaled ? ` ${this.words.unit_scaled}` : "";
    say(this.told, this.words.unit_told + scaled);
    const count = this.last.weights.length - 2;
    const names = Array.from({ length: count }, (_, i) => (layer ? fill(this.words.unit_from, { unit: i + 1 }) : this.scene.inputs[i]));
    this.typing = this.held = undefined;
    this.fields = [...names, this.words.bias].map((_, i) => {
      const field = make("input", { type: "number", step: "any", min: -LARGEST, max: LARGEST, "data-weight": i });
      // A field that somebody is about to write in keeps its text while the run goes on.
      for (const begun of ["focus", "pointerdown"]) field.addEventListener(begun, () => (this.held = field));
      field.addEventListener("input", () => (this.typing = this.held = field));
      field.addEventListener("change", () => this.#typed(i));
      field.addEventListener("blur", () => this.#left(i));
      field.addEventListener("keydown", (event) => this.#step(event, i));
      return field;
    });
    this.list.replaceChildren(...this.fields.map((field, i) => make("label", {}, make("span", { text: names[i] ?? this.words.bias }), field)));
  }

  #choose(mark) {
    this.marks.forEach((other) => other.mark.setAttribute("tabindex", other.mark === mark ? "0" : "-1"));
    const unit = this.marks.findIndex((other) => other.mark === mark);
    this.act.onUnit(unit === this.shown ? NONE : unit);
  }

  /** No unit is shown any more, and the focus is on the one that was. */
  #leave() {
    const { mark } = this.marks[this.shown];
    this.act.onUnit(NONE);
    mark.focus();
  }

  /** An arrow goes to the next unit in its direction. */
  #walk(event) {
    const toward = TOWARD[event.key];
    const here = this.marks.find(({ mark }) => mark === event.target);
    if (!toward || !here) return;
    event.preventDefault();
    const far = (other) => {
      const [x, y] = [other.x - here.x, other.y - here.y];
      const along = x * toward[0] + y * toward[1];
      return along > 0 ? along + ASIDE * Math.abs(x * toward[1] + y * toward[0]) : Infinity;
    };
    const next = this.marks.reduce((best, other) => (far(other) < far(best) ? other : best), here);
    if (far(next) === Infinity) return;
    here.mark.setAttribute("tabindex", "-1");
    next.mark.setAttribute("tabindex", "0");
    next.mark.focus();
  }

  #step(event, i) {
    const field = this.fields[i];
    if (event.key === "Escape" && this.typing === field) {
      this.typing = undefined;
      write(field, this.values[i]);
    }
    const by = STEPS[event.key];
    if (by === undefined) return void (this.held = field);
    event.preventDefault();
    const from = this.typing === field ? field.valueAsNumber : this.values[i];
    this.typing = undefined;
    this.#set(i, Number((from + by).toPrecision(7)));
  }

  #left(i) {
    this.#typed(i);
    this.held = undefined;
    if (this.last) this.draw(this.last);
  }

  #typed(i) {
    if (this.typing !== this.fields[i]) return;
    this.typing = undefined;
    this.#set(i, this.fields[i].valueAsNumber);
  }

  /** Set a number, unless it is none: then it stays what it was. */
  #set(i, value) {
    this.held = undefined;
    const taken = Math.abs(value) <= LARGEST;
    if (taken) this.values[i] = value;
    write(this.fields[i], this.values[i]);
    const place = i === this.fields.length - 1 ? this.#incoming() : i;
    if (taken) this.#send(() => this.act.onEdit(this.shown, place, value));
  }

  #send(act) {
    this.sent += 1;
    act();
  }
}

/** Six digits, as long as another number is not meant. */
function write(field, value) {
  const text = Number.isFinite(value) ? String(Number(value.toPrecision(6))) : "";
  if (field.value !== text) field.value = text;
}
