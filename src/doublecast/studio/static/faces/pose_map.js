// Which head poses a side shows: a map of cells that filter the grid, and words of what is missing.
import { count, el } from "/static/faces/dom.js";

const short = (n) => (n < 1000 ? String(n) : `${(n / 1000).toFixed(n < 9950 ? 1 : 0)}k`);

// How much of the colour a cell has; shades between these are left out, because no ink can be read on them.
function shade(n, most) {
  const part = n ? Math.log1p(n) / Math.log1p(most) : 0;
  return part < 0.5 ? (n ? 0.1 + 0.6 * part : 0) : 0.72 + 0.28 * part;
}

export class PoseMap {
  // choose(cell): [row, column] or null
  constructor(choose) {
    this.choose = choose;
    this.cell = null;
    this.focus = [3, 6];
    this.body = el("div.fc-map", { role: "group", "aria-label": "Head poses: rows from looking up to down, columns from turned left to right in the picture" });
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.press(button.fcCell);
    });
    this.about = el("p.dc-dim.fc-fine", { "aria-live": "polite" });
    this.words = el("div.fc-gaps");
    const legend = el("p.dc-dim.fc-fine", {}, el("span.fc-key.lacks", { "aria-hidden": "true" }), " shown by the actor, lacking in the target");
    this.root = el("section.fc-poses", { "aria-label": "Head poses" }, el("h2", {}, "Head poses"), this.body, legend, this.about, this.words);
  }
  show(poses, side, cell) {
    this.poses = poses;
    this.side = side;
    this.cell = cell;
    const own = poses.counts[side], other = poses.counts[side === "actor" ? "target" : "actor"];
    const most = Math.max(1, ...own.flat());
    const { counts, enough } = poses;
    if (!this.buttons) this.build(poses);
    for (const [y, line] of own.entries()) {
      for (const [x, n] of line.entries()) {
        const button = this.buttons[y][x], lacks = counts.actor[y][x] >= enough && counts.target[y][x] < enough;
        const chosen = cell && cell[0] === y && cell[1] === x, part = shade(n, most);
        button.textContent = n ? short(n) : "";
        button.style.setProperty("--part", `${Math.round(part * 100)}%`);
        button.className = `${lacks ? "lacks" : ""}${part > 0.5 ? " full" : ""}${chosen ? " chosen" : ""}`;
        button.setAttribute("aria-pressed", Boolean(chosen));
        button.tabIndex = y === this.focus[0] && x === this.focus[1] ? 0 : -1;
        const name = this.name([y, x]), who = side === "actor" ? "target" : "actor";
        button.title = `${name}: ${count(n)} of the ${side}, ${count(other[y][x])} of the ${who}${lacks ? "; the target lacks this pose" : ""}`;
        button.setAttribute("aria-label", button.title);
      }
    }
    this.about.textContent = cell ? `Only ${this.name(cell)}; click it again for all poses.` : "Kept faces of the main person. Click a cell to see its faces.";
    this.tell();
  }
  build({ pitch, yaw }) {
    this.buttons = pitch.slice(0, -1).map((_, y) => yaw.slice(0, -1).map((_, x) => Object.assign(el("button", { type: "button" }), { fcCell: [y, x] })));
    const top = yaw.slice(0, -1).map((v, x) => el("span.fc-edge", { "aria-hidden": "true" }, x % 3 ? "" : `${v}°`));
    const lines = this.buttons.map((line, y) => [el("span.fc-edge", { "aria-hidden": "true" }, `${pitch[y]}°`), ...line]);
    this.body.replaceChildren(el("span"), ...top, ...lines.flat());
  }
  name([y, x]) {
    const { pitch, yaw } = this.poses;
    return `yaw ${yaw[x]} to ${yaw[x + 1]}, pitch ${pitch[y]} to ${pitch[y + 1]}`;
  }
  tell() {
    const { gaps, missing } = this.poses, own = gaps[this.side];
    const parts = [];
    if (own.length) parts.push(el("h3", {}, `The ${this.side}'s footage shows`), el("ul", {}, ...own.map((text) => el("li", {}, text))));
    else if (this.poses.counts[this.side].flat().some((n) => n)) parts.push(el("p.dc-good.fc-fine", {}, `The ${this.side}'s footage shows all sides of the face.`));
    if (missing.length) {
      const lines = (some) => el("ul", {}, ...some.map((text) => el("li", {}, text)));
      parts.push(el("h3", {}, "Missing of the target"), lines(missing.slice(0, 4)));
      if (missing.length > 4) parts.push(el("details", {}, el("summary", {}, `${missing.length - 4} more`), lines(missing.slice(4))));
      parts.push(el("p.dc-dim.fc-fine", {}, "A take of the target in these poses makes the film better there."));
    }
    this.words.replaceChildren(...parts);
  }
  press(cell) {
    const same = this.cell && this.cell[0] === cell[0] && this.cell[1] === cell[1];
    this.go(cell);
    this.choose(same ? null : cell);
  }
  go([y, x]) {
    this.buttons[this.focus[0]][this.focus[1]].tabIndex = -1;
    this.focus = [y, x];
    this.buttons[y][x].tabIndex = 0;
    this.buttons[y][x].focus();
  }
  key(event) {
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!way || !this.buttons) return;
    event.preventDefault();
    const [y, x] = this.focus;
    this.go([Math.min(this.buttons.length - 1, Math.max(0, y + way[0])), Math.min(this.buttons[0].length - 1, Math.max(0, x + way[1]))]);
  }
}
