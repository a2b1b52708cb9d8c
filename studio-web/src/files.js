// A file that is dropped anywhere on the page is opened.

/** Call `open` with a file that was dropped; returns how to end that. */
export function takeFiles(open) {
  function over(event) {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  }
  function drop(event) {
    const [file] = event.dataTransfer?.files ?? [];
    if (!file) return;
    event.preventDefault();
    open(file);
  }
  document.addEventListener("dragover", over);
  document.addEventListener("drop", drop);
  return () => {
    document.removeEventListener("dragover", over);
    document.removeEventListener("drop", drop);
  };
}
