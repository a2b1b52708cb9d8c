// The one module: `draw` for any page that has frames; `studio` for the studio's own; what a
// notebook's cell renders by default; and in a report's page it plays by itself.
import layout from "../../src/descend/studio/layout.json";
import { draw } from "./draw.js";
import { make, say } from "./dom.js";
import { takeFiles } from "./files.js";
import { keepFocus } from "./focus.js";
import { listen } from "./keys.js";
import { showMap } from "./map.js";
import { playReport } from "./report.js";
import { connect } from "./socket.js";
import { render } from "./widget.js";

export { draw };
export default { render };

const report = document.getElementById("descend-report");
if (report) playReport(report);

/** Show the run at `path` of this page's own server in an element. */
export function studio(element, { path, file, words }) {
  const banner = make("p", { class: "ds-gone", role: "alert", hidden: "" });
  const place = make("div");
  element.replaceChildren(banner, place);
  let texts = words, stream;
  const drawing = draw(place, {
    words, dark: darkNow(), onDrawn: () => stream?.ack(), onPoint: (x, y) => stream.point(x, y),
    onPlane: (first, second) => stream.order("plane", first * layout.planes + second),
    onUnit: (unit) => stream.order("unit", unit),
    onEdit: (...edit) => stream.order("edit", edit),
    onUndo: () => stream.order("undo"),
  });
  const theme = new MutationObserver(() => drawing.dark(darkNow()));
  theme.observe(document.body, { attributeFilter: ["class"] });

  function show(gone) {
    banner.hidden = !gone;
    say(banner, gone ? texts.gone : "");
  }

  stream = connect(`ws://${location.host}${path}`, {
    onScene: drawing.scene,
    onSlope: drawing.slope,
    onFrame: drawing.frame,
    onOpen: () => show(false),
    onGone: () => show(true),
    onLost: () => location.reload(), // as after a night's sleep: the page begins anew
  });
  const unlisten = listen(stream.order);
  const unfile = takeFiles(upload);

  /** Give a file's table to the bench; what is wrong with it is said by the page. */
  function upload(given) {
    return fetch(`${file}?name=${encodeURIComponent(given.name)}`, { method: "POST", body: given }).catch(() => {});
  }

  keepFocus();
  element.studio = {
    upload,
    kept: drawing.kept,
    map: showMap,
    drawsPoints: drawing.drawsPoints,
    words(found) {
      texts = found;
      drawing.words(found);
      if (!banner.hidden) show(true);
    },
    destroy() {
      unlisten();
      unfile();
      theme.disconnect();
      stream.close();
      drawing.destroy();
    },
  };
}

function darkNow() {
  return document.body.classList.contains("body--dark");
}
