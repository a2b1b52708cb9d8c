// Frames as `layout.json` lays them out: the Python side packs them by the same table.
import layout from "../../src/descend/studio/layout.json";

const STATES = Object.keys(layout.states);

/** Read a frame: an ArrayBuffer of float64 → { head…, blocks…, state, told }. */
export function readFrame(buffer) {
  const numbers = new Float64Array(buffer);
  const frame = {};
  layout.head.forEach((name, i) => (frame[name] = numbers[i]));
  if (frame.version !== layout.version) throw new Error("a frame of another version");
  let at = layout.head.length + layout.blocks.length;
  layout.blocks.forEach((name, i) => {
    const length = numbers[layout.head.length + i];
    frame[name] = numbers.subarray(at, at + length);
    at += length;
  });
  frame.state = STATES[frame.state];
  const told = frame.told;
  frame.told = Object.fromEntries(layout.states[frame.state].map((name, i) => [name, told[i]]));
  return frame;
}
