// Of many inputs: what is predicted of each row against what is true, or classes against classes.
import { Picture, dot, line, rangeOf, short } from "./picture.js";

export class PairsPicture extends Picture {
  setScene(scene) {
    this.scene = scene;
    this.x = this.y = rangeOf(scene.y, 0.06);
    this.resize();
  }

  paintStill(pen) {
    this.paintAxes(pen, [this.words.true_value, this.words.predicted_value]);
    pen.strokeStyle = this.colours.start;
    pen.setLineDash([5, 5]);
    line(pen, [[this.across(this.x[0]), this.down(this.x[0])], [this.across(this.x[1]), this.down(this.x[1])]]);
    pen.setLineDash([]);
  }

  draw(frame) {
    const pen = this.begin(frame);
    if (!pen) return;
    pen.fillStyle = pen.strokeStyle = this.colours.point;
    for (const held of [0, 1]) {
      pen.beginPath();
      frame.surface.forEach((y, i) => {
        if (this.scene.held[i] === held && Number.isFinite(y)) dot(pen, this.across(this.scene.y[i]), this.down(y), 3);
      });
      held ? pen.stroke() : pen.fill();
    }
  }

  isOutside(frame) {
    return !frame.surface.some((y) => y >= this.y[0] && y <= this.y[1]);
  }
}

export class TablePicture extends Picture {
  setScene(scene) {
    this.scene = scene;
    this.resize();
  }

  paintStill() {}

  draw(frame) {
    const pen = this.begin(frame);
    if (!pen) return;
    const { classes } = this.scene;
    const count = classes.length;
    const { width, height } = this.size;
    const left = Math.min(120, width * 0.28), top = 34;
    const [w, h] = [(width - left - 10) / count, (height - top - 10) / count];
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let i = 0; i < count; i++) {
      const row = frame.surface.subarray(i * count, (i + 1) * count);
      const all = row.reduce((a, b) => a + b, 0) || 1;
      for (let j = 0; j < count; j++) {
        pen.globalAlpha = 0.06 + (0.6 * row[j]) / all;
        pen.fillStyle = i === j ? this.colours.point : this.colours.curve;
        pen.fillRect(left + j * w + 1, top + i * h + 1, w - 2, h - 2);
        pen.globalAlpha = 1;
        pen.fillStyle = this.colours.ink;
        if (h > 14) pen.fillText(String(row[j]), left + (j + 0.5) * w, top + (i + 0.5) * h);
      }
    }
    pen.fillStyle = this.colours.soft;
    classes.forEach((label, i) => {
      pen.textAlign = "center";
      pen.fillText(short(label, Math.max(2, Math.floor(w / 8))), left + (i + 0.5) * w, top - 12);
      pen.textAlign = "right";
      pen.fillText(short(label, 14), left - 8, top + (i + 0.5) * h);
    });
  }
}
