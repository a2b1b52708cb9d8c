// Buttons and sliders for places that have no page around them: a notebook's cell, a report.
import ownStyle from "./controls.css";
import { make, say } from "./dom.js";

/** A bar of controls; `words` names all of them, and again in another language. */
export function controlBar() {
  const root = make("div", { class: "ds-bar" });
  const named = [];
  let texts = {};

  function name(write) {
    named.push(write);
    write(texts);
  }

  return {
    root,
    button(key, act) {
      const button = make("button", { type: "button", class: `ds-do-${key}` });
      let shown = key;
      button.addEventListener("click", act);
      root.append(button);
      name((words) => say(button, words[shown] ?? ""));
      return {
        button,
        rename(other) {
          shown = other;
          say(button, texts[shown] ?? "");
        },
      };
    },
    slider(key, { min, max, step, value }, act, told) {
      const range = make("input", { type: "range", class: `ds-set-${key}`, min, max, step });
      range.value = value;
      const label = make("span");
      const shown = make("output");
      root.append(make("label", { class: "ds-slider" }, make("span", { class: "ds-said" }, label, shown), range));
      const tell = () => {
        say(shown, told(Number(range.value), texts));
        range.setAttribute("aria-valuetext", shown.textContent);
      };
      range.addEventListener("input", () => {
        act(Number(range.value));
        tell();
      });
      name((words) => {
        say(label, words[key] ?? "");
        tell();
      });
      return {
        set(found) {
          range.value = found;
          tell();
        },
      };
    },
    words(found) {
      texts = found;
      for (const write of named) write(texts);
    },
  };
}

/** The style of the bar, once in a document or a shadow root. */
export function addBarStyle(root) {
  const place = root.head ?? root;
  if (place.querySelector("style[data-descend-bar]")) return;
  place.append(make("style", { "data-descend-bar": "", text: ownStyle }));
}
