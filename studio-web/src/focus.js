// A panel that is built anew keeps the focus in the field where it was.

const SETTLED = 60; // milliseconds until what is built anew is there

/** Remember fields by their names; `window.descendRefocus` goes back to the last one. */
export function keepFocus() {
  let field;
  document.addEventListener("focusin", (event) => {
    field = event.target.closest(".panels") ? event.target.closest("[data-field]")?.dataset.field : undefined;
  });
  // What has lost the focus while it was still there, as by a click, does not get it back.
  document.addEventListener("focusout", (event) => {
    if (event.target.isConnected && !event.relatedTarget) field = undefined;
  });
  window.descendRefocus = () => setTimeout(() => {
    const lost = !document.activeElement || document.activeElement === document.body;
    if (field && lost) document.querySelector(`.panels [data-field="${CSS.escape(field)}"]`)?.focus();
  }, SETTLED);
}
