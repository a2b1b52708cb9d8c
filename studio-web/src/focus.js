// A panel that is built anew keeps the focus in the field where it was.

const SETTLED = 60; // milliseconds until what is built anew is there

/** Remember fields by their names; `window.descendRefocus` goes back to the last one. */
export function keepFocus() {
  let field;
  document.addEventListener("focusin", (event) => {
    field = event.target.closest(".panels") ? event.target.closest("[data-field]")?.dataset.field : undefined;
  });
  // A button that was clicked does not keep the focus (keys.js), and so does not get it back.
  document.addEventListener("click", (event) => {
    if (event.detail > 0 && event.target.closest("button")) field = undefined;
  });
  window.descendRefocus = () => setTimeout(() => {
    const lost = !document.activeElement || document.activeElement === document.body;
    if (field && lost) document.querySelector(`.panels [data-field="${CSS.escape(field)}"]`)?.focus();
  }, SETTLED);
}
