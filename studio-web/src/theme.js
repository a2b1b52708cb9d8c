// The colours, read from the style sheet, where light and dark are told apart.

const NAMES = ["ink", "soft", "faint", "line", "panel", "point", "curve", "start", "accent"];

export function coloursOf(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--ds-${name}`).trim()]));
}

export function fontOf(element, size) {
  return `${size}px ${getComputedStyle(element).fontFamily}`;
}
