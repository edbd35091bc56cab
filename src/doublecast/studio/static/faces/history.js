// Steps of curation: what was done, each of which can be taken back; and this tab's own steps for Ctrl Z.
import { call } from "/static/api.js";
import { count, el } from "/static/faces/dom.js";

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function when(text) {
  const seconds = (Date.parse(text) - Date.now()) / 1000;
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) if (Math.abs(seconds) >= size) return ago.format(Math.round(seconds / size), unit);
  return "just now";
}

export class History {
  // page: { base(), act(path, body, words) -> version }
  constructor(page, close) {
    this.page = page;
    this.steps = el("ol.fc-steps");
    const shut = el("button.fc-icon", { type: "button", "aria-label": "Hide the history", onclick: close }, "✕");
    this.root = el("aside.fc-history", { hidden: true, "aria-label": "History" }, el("div.fc-bar", {}, el("h2", {}, "History"), el("span.dc-space"), shut), this.steps);
    this.done = [];
    this.again = [];
  }
  forget() {
    this.done = [];
    this.again = [];
  }
  // A step of this tab; ids of the faces that it was done to.
  add(version, ids) {
    this.done.push({ version, ids });
    this.again = [];
  }
  async undo() {
    return this.back(this.done, this.again);
  }
  async redo() {
    return this.back(this.again, this.done);
  }
  async back(from, to) {
    const step = from[from.length - 1];
    if (!step) return null;
    const version = await this.page.revert(step.version);
    from.splice(from.indexOf(step), 1);
    to.push({ version, ids: step.ids });
    return step.ids;
  }
  async load() {
    if (this.root.hidden) return;
    try {
      const steps = await call(`${this.page.base()}/history?limit=60`);
      this.steps.replaceChildren(...steps.map((step) => this.line(step)));
    } catch (error) {
      this.steps.replaceChildren(el("li.dc-problem", {}, error.message));
    }
  }
  line(step) {
    const taken = step.text.startsWith("undone: "), words = taken ? "Do it again" : "Undo";
    const button = el("button.fc-small", { type: "button", "aria-label": `${words}: step ${step.number}, ${step.text}`, onclick: () => this.page.takeBack(step) }, words);
    const facts = el("span.dc-dim.fc-fine", { title: new Date(step.when).toLocaleString() }, `step ${step.number}, ${when(step.when)}, ${count(step.kept)} kept`);
    return el("li", {}, el("div", {}, el("div", {}, step.text), facts), step.number > 2 && step.changed ? button : null);
  }
}
