// Elements in one line.

/** Make an element with attributes (text by `text`) and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Set a text only where it is another one: what stays is not laid out anew. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
