// Numbers as a person reads them, and sentences with gaps.

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** A number with so many significant digits; with a power of ten where it is very large or small. */
export function number(value, digits = 4) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return sign(String(value));
  const size = Math.abs(value);
  if (size >= 10 ** digits && size < 1e6) return sign(String(Number(value.toPrecision(digits))));
  if (size >= 1e-3 && size < 1e6) return sign(value.toPrecision(digits));
  const [mantissa, power] = value.toExponential(Math.min(digits, 4) - 1).split("e");
  return `${sign(mantissa)}·10${raised(power.replace("+", ""))}`;
}

function raised(power) {
  return [...String(power)].map((c) => RAISED[c]).join("");
}

/** A round number on an axis: no zeros behind, and powers of ten as such. */
export function mark(value) {
  const size = Math.abs(value);
  const exponent = Math.log10(size);
  if (size >= 1e5 || (size > 0 && size < 1e-3)) {
    if (Math.abs(exponent - Math.round(exponent)) < 1e-9) return `${value < 0 ? "−" : ""}10${raised(Math.round(exponent))}`;
    return number(value, 1);
  }
  return sign(String(Number(value.toPrecision(10))));
}

/** A number with a fixed number of decimals, which does not jump while it changes. */
export function fixed(value, decimals = 6) {
  return Math.abs(value) < 1e5 ? sign(value.toFixed(decimals)) : number(value);
}

/** A change, always with its sign. */
export function change(value) {
  return (value >= 0 ? "+" : "") + fixed(value);
}

function sign(text) {
  return text.replace("-", "−");
}

/** A sentence of the catalogue with its gaps filled: `{n}`, or with a noun by its number, `{n:epoch|epochs}`. */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)(?::(.*?)\|(.*?))?\}/g, (_, name, one, several) => {
    const value = values[name];
    const text = typeof value === "number" ? number(value) : value ?? "–";
    return several === undefined ? text : `${text} ${value === 1 ? one : several}`;
  });
}
