// The front end of a notebook's cell: frames come as binary messages, and each one is acknowledged.
import { addBarStyle, controlBar } from "./controls.js";
import { make } from "./dom.js";
import { draw } from "./draw.js";
import { fill } from "./words.js";

const STEPS = ["example", "batch", "epoch", "reset"];

/** Draw the run of a widget in an element; what is returned takes it away again. */
export function render({ model, el }) {
  const send = (name, value = 1) => model.send({ do: name, value });
  const { lr, rates, speed, speeds } = model.get("controls");
  const bar = controlBar();
  const place = make("div");
  el.replaceChildren(bar.root, place);
  addBarStyle(el.getRootNode());
  const play = bar.button("play", () => send("toggle"));
  for (const order of STEPS) bar.button(order, () => send(order));
  const [min, max, step] = rates;
  const rateOf = (power) => Number((10 ** power).toPrecision(2));
  bar.slider("lr", { min, max, step, value: lr }, (power) => send("lr", rateOf(power)), (power) => String(rateOf(power)));
  bar.slider(
    "speed",
    { min: 0, max: speeds.length, step: 1, value: speed },
    (number) => send("speed", number),
    (number, words) =>
      number < speeds.length
        ? fill(words.a_second ?? "", { count: speeds[number].toLocaleString("en") })
        : words.fastest ?? "",
  );
  const drawing = draw(place, {
    words: model.get("words"),
    onUnit: (unit) => send("unit", unit),
    onEdit: (...edit) => send("edit", edit),
    onUndo: () => send("undo"),
    onDrawn(frame) {
      play.rename(frame.playing ? "pause" : "play");
      send("ack");
    },
  });
  const speak = () => {
    bar.words(model.get("words"));
    drawing.words(model.get("words"));
  };

  function take(message, buffers) {
    if (message.scene) drawing.scene(message.scene);
    else if (buffers?.length) drawing.frame(aligned(buffers[0]));
  }

  model.on("msg:custom", take);
  model.on("change:words", speak);
  speak();
  send("hello");
  return () => {
    model.off("msg:custom", take);
    model.off("change:words", speak);
    send("bye");
    drawing.destroy();
  };
}

/** The bytes of a view as a buffer of their own: numbers have to begin at a multiple of eight. */
function aligned(found) {
  const view = ArrayBuffer.isView(found) ? found : new Uint8Array(found);
  return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
}
