// Small helpers to build elements, and words that several parts use.

// el("button.dc-button", { onclick, "aria-label": ... }, children...)
export function el(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on") || key in { value: 1, checked: 1, disabled: 1, hidden: 1, textContent: 1 }) node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

let numbered = 0;

// A control with its visible label.
export function labelled(words, control, { inline = false } = {}) {
  control.id ||= `fc-${(numbered += 1)}`;
  return el(inline ? "span.fc-field.inline" : "span.fc-field", {}, el("label", { for: control.id }, words), control);
}

// Puts options into a select and keeps what was chosen where it is still there. options: [value, words]
export function fill(select, options, chosen) {
  const same = select.fcOptions && JSON.stringify(options) === select.fcOptions;
  if (!same) select.replaceChildren(...options.map(([value, words]) => el("option", { value }, words)));
  select.fcOptions = JSON.stringify(options);
  select.value = chosen;
  return select.value === String(chosen);
}

export const count = (n) => n.toLocaleString("en-US");
export const faces = (n) => (n === 1 ? "1 face" : `${count(n)} faces`);

// 3.24 -> "0:03.2"
export function moment(seconds) {
  const tenths = Math.round((seconds || 0) * 10);
  const m = Math.floor(tenths / 600), s = (tenths % 600) / 10;
  return `${m}:${s < 10 ? "0" : ""}${s.toFixed(1)}`;
}

export function personName(number) {
  return number < 0 ? "nobody recognised" : number === 0 ? "main person" : `person ${number}`;
}

// Short messages at the lower edge, one at a time, read out politely; with an action where there is one.
export class Toast {
  constructor(root) {
    this.words = el("span", { role: "status", "aria-live": "polite" });
    this.actions = el("span.fc-toast-actions");
    this.box = el("div.fc-toast", { hidden: true }, this.words, this.actions);
    root.append(this.box);
  }
  show(words, { action, run, bad = false, stay = 8000 } = {}) {
    clearTimeout(this.timer);
    this.box.hidden = false;
    this.box.classList.toggle("bad", bad);
    this.words.textContent = words;
    const buttons = action ? [el("button.dc-button", { type: "button", onclick: () => (this.hide(), run()) }, action)] : [];
    const close = el("button.fc-icon", { type: "button", "aria-label": "Close this message", onclick: () => this.hide() }, "✕");
    this.actions.replaceChildren(...buttons, close);
    if (!bad) this.timer = setTimeout(() => (this.box.matches(":hover, :focus-within") ? this.show(words, { action, run }) : this.hide()), stay);
  }
  hide() {
    this.box.hidden = true;
    this.words.textContent = "";
  }
}
