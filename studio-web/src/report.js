// A report that plays: the recorded frames of a run, drawn by the same hand as the studio's own.
import { addBarStyle, controlBar } from "./controls.js";
import { make, say } from "./dom.js";
import { draw } from "./draw.js";
import { fill } from "./words.js";

const EACH = 90; // milliseconds that a frame stays

/** Play what the page's own element of data holds. */
export async function playReport(place) {
  const found = JSON.parse(document.getElementById("descend-data").textContent);
  const frames = unpacked(await inflated(found.frames));
  addBarStyle(document);
  const title = make("h1");
  const origin = make("p", { class: "ds-origin" });
  const bar = controlBar();
  const drawn = make("div");
  place.replaceChildren(title, origin, bar.root, drawn);
  say(title, found.title);
  let at = 0, timer, drawing;

  const play = bar.button("play", () => (timer ? pause() : begin()));
  const place_ = bar.slider(
    "moment",
    { min: 0, max: frames.length - 1, step: 1, value: 0 },
    (value) => {
      pause();
      show(value);
    },
    (value, words) => fill(words.moment_of ?? "", { number: value + 1, count: frames.length }),
  );

  function show(number) {
    at = number;
    drawing.frame(frames[at]);
  }

  function pause() {
    clearInterval(timer);
    timer = undefined;
    play.rename("play");
  }

  function begin() {
    if (at === frames.length - 1) show(0);
    play.rename("pause");
    timer = setInterval(() => {
      show(at + 1);
      place_.set(at);
      if (at === frames.length - 1) pause();
    }, EACH);
  }

  const languages = make("span", { class: "ds-languages" });
  for (const [lang, words] of Object.entries(found.words)) {
    const button = make("button", { type: "button", lang: found.tags[lang], text: words.language });
    button.addEventListener("click", () => speak(lang));
    button.dataset.lang = lang;
    languages.append(button);
  }
  bar.root.append(languages);

  function speak(lang) {
    const words = found.words[lang];
    document.documentElement.lang = found.tags[lang];
    for (const button of languages.children) button.setAttribute("aria-pressed", String(button.dataset.lang === lang));
    bar.words(words);
    say(origin, found.origin[lang] ?? "");
    drawing?.words(words);
  }

  drawing = draw(drawn, { words: found.words[found.lang] });
  drawing.scene(found.scene);
  speak(found.lang);
  show(0);
}

/** The bytes of a text in base64 that were packed by gzip. */
async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** Frames that stand one after the other: how many there are, the length of each, their numbers. */
function unpacked(buffer) {
  const numbers = new Float64Array(buffer);
  const count = numbers[0];
  let at = 1 + count;
  return Array.from({ length: count }, (_, i) => {
    const frame = numbers.slice(at, (at += numbers[1 + i])).buffer;
    return frame;
  });
}
