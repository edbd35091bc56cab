// What is being done to the faces now, and what to do where there are none yet.
import { call } from "/static/api.js";
import { el } from "/static/faces/dom.js";

const STAGES = { guard: "Checking the takes", extract: "Finding faces", curate: "Finding out who is who" };

export class Work {
  constructor(page) {
    this.page = page;
    this.words = el("span", { role: "status" });
    this.fill = el("div");
    this.bar = el("div.dc-bar", { role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, this.fill);
    this.problem = el("div.dc-problem", { role: "alert", hidden: true });
    this.root = el("div.fc-work", { hidden: true }, this.problem, this.words, this.bar);
  }
  async look() {
    try {
      this.told = await call(`${this.page.own}/working`);
    } catch (error) {
      this.told = { activity: null, job: { state: "failed", error: error.message } };
    }
    this.put();
  }
  put() {
    if (!this.told || !this.page.faces) return;
    const { activity, job } = this.told, empty = !this.page.faces.length;
    const stage = activity?.state === "running" ? STAGES[activity.stage.split(" ")[0]] : null;
    const waits = job && (job.state === "waiting" || job.state === "paused");
    const failed = job?.state === "failed" ? job.error : empty && activity?.state === "failed" ? activity.error : "";
    this.problem.hidden = !failed;
    this.problem.textContent = failed;
    const part = stage && activity.total ? activity.done / activity.total : null;
    this.bar.hidden = part === null;
    if (part !== null) {
      const percent = Math.round(100 * Math.min(1, part));
      this.bar.setAttribute("aria-valuenow", percent);
      this.fill.style.width = `${percent}%`;
    }
    this.root.hidden = !empty && !stage && !failed;
    this.root.classList.toggle("dc-empty", empty);
    if (stage) {
      const counts = activity.total ? `: ${Math.round(activity.done)} of ${Math.round(activity.total)} ${activity.unit}` : "";
      this.words.textContent = `${stage}${counts}${empty ? ". The faces appear here as they are found." : ""}`;
    } else if (waits) this.words.textContent = job.state === "paused" ? "The job that finds the faces is paused; go on with it on the page of productions." : "The job that finds the faces waits for its turn.";
    else if (empty) {
      const link = el("a.dc-button", { href: "/" }, "Go to the productions");
      this.words.replaceChildren(el("p", {}, `No faces of the ${this.page.side} yet. Add a take that shows the ${this.page.side} to this production; its faces are found by themselves.`), link);
    } else this.words.textContent = "";
  }
}
