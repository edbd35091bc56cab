// What is being done to the faces now, and what to do where there are none yet.
import { call } from "/static/api.js";
import { el } from "/static/faces/dom.js";

const FINDS = ["swap", "extract", "curate"]; // kinds of jobs that change faces
const OPEN = ["waiting", "running", "paused"];
const STAGES = { guard: "Checking the takes", extract: "Finding faces", curate: "Finding out who is who" };

export class Work {
  constructor(page) {
    this.page = page;
    this.words = el("span", { role: "status" });
    this.fill = el("div");
    this.bar = el("div.dc-bar", { role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, this.fill);
    this.problem = el("div.dc-problem", { role: "alert", hidden: true });
    this.next = el("span");
    this.root = el("div.fc-work", { hidden: true }, this.problem, this.words, this.bar, this.next);
  }
  async look() {
    try {
      const { activity, jobs } = await call(`${this.page.own}/jobs`);
      this.told = { activity, job: jobs.filter(({ kind }) => FINDS.includes(kind)).pop() };
    } catch (error) {
      this.told = { activity: null, job: { state: "failed", error: error.message } };
    }
    this.put();
  }
  async sort() {
    try {
      await call(`${this.page.own}/jobs`, { method: "POST", body: { kind: "curate", options: { side: this.page.side } } });
      await this.look();
    } catch (error) {
      this.page.fail(error);
    }
  }
  put() {
    if (!this.told || !this.page.faces) return;
    const { activity, job } = this.told, empty = !this.page.faces.length, { side } = this.page;
    const unsorted = !empty && this.page.faces.person.every((person) => person < 0) && !OPEN.includes(job?.state) && activity?.state !== "running";
    const stage = activity?.state === "running" ? STAGES[activity.stage.split(" ")[0]] : null;
    const failed = job?.state === "failed" && (empty || job.kind === "curate") ? job.error : empty && activity?.state === "failed" ? activity.error : "";
    this.problem.hidden = !failed;
    this.problem.textContent = failed;
    const part = stage && activity.total ? activity.done / activity.total : null;
    this.bar.hidden = part === null;
    if (part !== null) {
      const percent = Math.round(100 * Math.min(1, part));
      this.bar.setAttribute("aria-valuenow", percent);
      this.fill.style.width = `${percent}%`;
    }
    this.root.hidden = !empty && !stage && !failed && !unsorted;
    this.root.classList.toggle("dc-empty", empty);
    const place = (section) => location.pathname.replace(/faces\/?$/, section);
    const link = (words, where) => el("a.dc-button", { href: where }, words);
    let words = "", next = "";
    if (stage) {
      const counts = activity.total ? `: ${Math.round(activity.done)} of ${Math.round(activity.total)} ${activity.unit}` : "";
      words = `${stage}${counts}${empty ? ". The faces appear here as they are found." : ""}`;
    } else if (empty && failed) {
      const several = failed.startsWith("Several people");
      next = several ? link("Choose who is meant", place(`person/${side}`)) : link("Go to the takes", place("takes"));
    } else if (empty && job?.state === "paused") {
      [words, next] = ["The job that finds the faces is paused.", link("Go on with it", place("train"))];
    } else if (empty && job?.state === "waiting") words = "The job that finds the faces waits for its turn. They appear here as they are found.";
    else if (empty) {
      words = `No faces of the ${side} yet. Add a take that shows the ${side}; its faces are then found and appear here.`;
      next = link("Add takes", place("takes"));
    }
    else if (unsorted) {
      words = "These faces are not sorted yet: who is who is found out, and what cannot be used is set aside.";
      next = el("button.dc-button", { type: "button", onclick: () => this.sort() }, "Sort them");
    }
    this.words.textContent = words;
    this.next.replaceChildren(next);
    this.root.toggleAttribute("data-next", !next);
  }
}
