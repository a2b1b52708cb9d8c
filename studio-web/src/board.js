// The numbers beside the pictures, and the sentence on the state, for eyes and for screen readers.
import { make, say } from "./dom.js";
import { change, fill, fixed, number } from "./words.js";

const CELLS = ["epoch_count", "step_count", "loss_now", "loss_epoch", "accuracy", "held_accuracy", "held_now"];
const SPOKEN = 4000; // milliseconds between two sentences for a screen reader, in one state

export class Board {
  constructor() {
    this.sentence = make("p", { class: "ds-sentence" });
    this.spoken = make("p", { class: "ds-unseen", role: "status", "aria-live": "polite" });
    this.example = make("p", { class: "ds-example" });
    this.rows = make("tbody");
    this.parameters = make("caption");
    this.table = make("table", { class: "ds-parameters" }, this.parameters, this.rows);
    this.progress = make("dl", { class: "ds-progress" });
    this.cells = {};
    for (const key of CELLS) {
      const name = make("dt", { "data-key": key });
      const value = make("dd", { "data-number": key });
      const place = make("div", {}, name, value);
      this.cells[key] = { name, value, place };
      this.progress.append(place);
    }
    this.saidAt = -Infinity;
  }

  setWords(words) {
    this.words = words;
    say(this.parameters, this.scene?.norms ? words.norms : words.parameters);
    for (const [key, cell] of Object.entries(this.cells)) say(cell.name, words[key]);
    this.saidState = null;
    if (this.last) this.draw(this.last);
    else say(this.sentence, words.waiting);
  }

  setScene(scene) {
    this.scene = scene;
    this.last = undefined;
    this.saidState = null;
    if (this.words) say(this.parameters, scene.norms ? this.words.norms : this.words.parameters);
    this.table.classList.toggle("ds-norms", scene.norms);
    const held = scene.held.includes(1);
    this.cells.accuracy.place.hidden = !scene.accuracy;
    this.cells.held_accuracy.place.hidden = !(scene.accuracy && held);
    this.cells.held_now.place.hidden = !held;
    this.rows.replaceChildren();
    this.values = scene.params.map((name) => {
      const value = make("td", { "data-parameter": name });
      const moved = make("td", { class: "ds-change" });
      this.rows.append(make("tr", {}, make("th", { scope: "row", text: name }), value, moved));
      return { value, moved };
    });
  }

  draw(frame, outside = this.outside) {
    this.last = frame;
    this.outside = outside;
    if (!this.scene || !this.words) return;
    this.values.forEach(({ value, moved }, i) => {
      say(value, fixed(frame.params[i]));
      say(moved, frame.row < 0 ? "" : change(frame.params[i] - frame.before[i]));
    });
    say(this.cells.epoch_count.value, String(frame.epoch));
    say(this.cells.step_count.value, String(frame.updates));
    say(this.cells.loss_now.value, number(frame.loss, 6));
    say(this.cells.loss_epoch.value, number(frame.epoch_loss, 6));
    say(this.cells.accuracy.value, percent(frame.accuracy));
    say(this.cells.held_accuracy.value, percent(frame.held_accuracy));
    say(this.cells.held_now.value, number(frame.held_loss, 6));
    this.#tell(frame);
  }

  #tell(frame) {
    const sentence = fill(this.words[frame.state], frame.told);
    say(this.sentence, sentence);
    this.sentence.dataset.state = frame.state;
    const left = this.outside ? this.words.outside : "";
    const example = frame.row < 0 ? left : this.#exampleTold(frame);
    say(this.example, example);
    const now = performance.now();
    const late = now - this.saidAt > SPOKEN;
    if (frame.state !== this.saidState || !frame.playing || late) {
      say(this.spoken, example ? `${sentence} ${example}` : sentence);
      this.saidState = frame.state;
      this.saidAt = now;
    }
  }

  #exampleTold(frame) {
    const { row, said, says } = frame;
    const { x, y, inputs, classes } = this.scene;
    const plain = this.scene.kind === "curve" && inputs[0] === "x" && this.scene.target === "y";
    const gaps = { number: row + 1, x: x[0]?.[row], y: y[row], before: said, after: says };
    if (plain && !classes.length) return fill(this.words.example_told, gaps);
    gaps.inputs = inputs.slice(0, 4).map((name, k) => `${name} = ${number(x[k][row])}`).join(", ");
    gaps.label = classes[y[row]];
    return fill(classes.length ? this.words.example_class : this.words.example_row, gaps);
  }
}

function percent(share) {
  return Number.isNaN(share) ? "–" : `${(100 * share).toFixed(1)} %`;
}
