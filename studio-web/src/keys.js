// The keyboard: one key an order, wherever nothing else wants the key.

const ORDERS = { " ": "toggle", e: "example", b: "batch", n: "epoch", r: "reset" };
const REPEATED = new Set(["example", "batch", "epoch"]);
const TYPING = 'input:not([type="range"], [type="checkbox"]), textarea, select, [contenteditable="true"]';
const PRESSED = 'button, a[href], summary, [role="button"], [type="checkbox"]';

/** Call `order` with the name of what a key asks for; returns how to end that. */
export function listen(order) {
  function onKey(event) {
    const name = ORDERS[event.key.toLowerCase?.()];
    if (!name || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest(TYPING)) return;
    if (event.key === " " && event.target.closest(PRESSED)) return;
    event.preventDefault();
    if (!event.repeat || REPEATED.has(name)) order(name);
  }
  // A button that was clicked does not keep the focus, so that the space bar plays again.
  // What the button itself does with the focus at a click comes first.
  function onClick(event) {
    const button = event.detail > 0 && event.target.closest(PRESSED);
    if (!button) return;
    setTimeout(() => {
      if (button.contains(document.activeElement)) document.activeElement.blur();
    });
  }
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  return () => {
    document.removeEventListener("keydown", onKey);
    document.removeEventListener("click", onClick);
  };
}
