// The label that the preview shows and that the next film is ordered with: one copy for both parts of the page.
const listeners = new Set();
let values = { style: "corner", corner: null, language: null, text: null };

export const label = () => values;

export function setLabel(changes) {
  values = { ...values, ...changes };
  listeners.forEach((listener) => listener(values));
}

// Calls `changed(values)` at once and with every change; returns a function that ends it.
export function onLabel(changed) {
  listeners.add(changed);
  changed(values);
  return () => listeners.delete(changed);
}

// Only what was chosen; the language gives way to words of one's own.
export function chosen({ style, corner, language, text }) {
  const own = (text || "").trim();
  return Object.fromEntries(
    Object.entries({ style, corner, text: own || null, language: own ? null : language }).filter(([, v]) => v));
}

export const STYLES = { corner: "Box in a corner", bar: "Bar across the picture", "first-seconds": "Large for 3 seconds, then small", none: "None in the film (for compositing)" };
export const CORNERS = { "bottom-left": "Bottom left", "bottom-right": "Bottom right", "top-left": "Top left", "top-right": "Top right" };
