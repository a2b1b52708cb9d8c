// The colours, read from the style sheet, where light and dark are told apart.

const NAMES = ["ink", "soft", "faint", "line", "panel", "point", "curve", "start", "accent"];
const CLASSES = 6;

export function coloursOf(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(`--ds-${name}`).trim();
  const found = Object.fromEntries(NAMES.map((name) => [name, read(name)]));
  found.classes = Array.from({ length: CLASSES }, (_, i) => read(`class-${i}`));
  found.rgb = { panel: parts(found.panel), classes: found.classes.map(parts) };
  return found;
}

/** "#2f6fb0" → [47, 111, 176] */
function parts(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
}

export function fontOf(element, size) {
  return `${size}px ${getComputedStyle(element).fontFamily}`;
}
