// The grid itself: a listbox of which only what is near the window exists as elements, which are used again and again.
import { el, faces as counted } from "/static/faces/dom.js";
import { sheet } from "/static/faces/grid_style.js";
import { HEAD, Layout } from "/static/faces/layout.js";

const AROUND = 300; // pixels above and below the window that are filled
const NEAR = 48, FASTEST = 28; // the band scrolls by itself so near to the edge, so many pixels per picture at most

export class Grid {
  // on: { open(row), selected(), chosenGroup(group), makeMain(person) }
  constructor(thumbs, on) {
    this.thumbs = thumbs;
    this.on = on;
    this.list = el("div.fc-list", { role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": "Faces" });
    this.heads = el("div.fc-heads");
    this.band = el("div.fc-band", { hidden: true });
    this.inner = el("div.fc-inner", {}, this.list, this.heads, this.band);
    this.root = el("div.fc-scroll", {}, this.inner);
    this.host = el("div.fc-grid");
    const shadow = this.host.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(this.root);
    this.cells = new Map(); // position -> element
    this.spare = [];
    this.headers = new Map();
    this.selected = new Set(); // ids
    this.active = -1; // position of the face that keys act on
    this.size = 112;
    this.rows = [];
    this.groups = [];
    this.layout = new Layout([], 800, this.size);
    this.root.addEventListener("scroll", () => this.draw(), { passive: true });
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("focus", () => this.active < 0 && this.rows.length && this.move(this.layout.between(this.root.scrollTop, 1e9)[0]));
    this.list.addEventListener("dblclick", (event) => {
      const at = this.at(event);
      if (at >= 0) this.on.open(this.rows[at]);
    });
    this.inner.addEventListener("pointerdown", (event) => this.press(event));
    this.watch = new ResizeObserver(() => this.measure());
    this.watch.observe(this.root);
  }

  // -- what is shown --

  show(faces, { rows, groups }) {
    const kept = this.active >= 0 && this.faces ? this.faces.id[this.rows[this.active]] : null, was = this.active;
    const held = this.anchorRow();
    this.faces = faces;
    this.rows = rows;
    this.groups = groups;
    this.position = new Map(rows.map((row, at) => [faces.id[row], at]));
    for (const id of this.selected) if (!this.position.has(id)) this.selected.delete(id);
    this.thumbs.use(faces, rows);
    this.active = this.position.get(kept) ?? (was < 0 || !rows.length ? -1 : Math.min(was, rows.length - 1));
    this.anchor = this.active;
    this.clear();
    this.arrange();
    if (held) this.hold(held);
    this.draw();
    this.on.selected();
  }
  // The first face in the window and where it lies, so that it stays there when others come or go.
  anchorRow() {
    if (!this.faces || this.root.scrollTop < 4) return null;
    const [first] = this.layout.between(this.root.scrollTop, this.root.scrollTop + this.root.clientHeight);
    if (first >= this.rows.length) return null;
    return { id: this.faces.id[this.rows[first]], off: this.layout.place(first)[1] - this.root.scrollTop };
  }
  hold({ id, off }) {
    const at = this.position.get(id);
    if (at !== undefined) this.root.scrollTop = this.layout.place(at)[1] - off;
  }
  resize(size) {
    this.size = size;
    this.measure(true);
  }
  measure(always = false) {
    const width = this.root.clientWidth;
    if (!width || (width === this.width && !always)) return this.draw();
    const held = this.anchorRow();
    this.width = width;
    this.clear();
    this.arrange();
    if (held) this.hold(held);
    this.draw();
  }
  arrange() {
    this.layout = new Layout(this.groups, this.root.clientWidth || 800, this.size);
    this.root.style.setProperty("--cell", `${this.layout.size}px`);
    this.inner.style.height = `${this.layout.height}px`;
  }
  clear() {
    for (const cell of this.cells.values()) this.give(cell);
    this.cells.clear();
    for (const head of this.headers.values()) head.remove();
    this.headers.clear();
  }
  give(cell) {
    this.spare.push(cell); // it is hidden at the end of `draw`, unless it is needed for another face before
  }

  // Fill what is in the window: called for every scrolled picture.
  draw() {
    if (!this.faces || !this.root.clientHeight) return;
    const low = this.root.scrollTop, high = low + this.root.clientHeight;
    const [first, last] = this.layout.between(low - AROUND, high + AROUND);
    for (const [at, cell] of this.cells) {
      if ((at < first || at > last) && at !== this.active) {
        this.give(cell);
        this.cells.delete(at);
      }
    }
    for (let at = first; at <= last; at++) if (!this.cells.has(at)) this.make(at);
    if (this.active >= 0 && !this.cells.has(this.active)) this.make(this.active);
    for (const cell of this.spare) {
      if (cell.style.display === "none") continue;
      cell.style.display = "none";
      for (const name of ["id", "aria-posinset"]) cell.removeAttribute(name);
    }
    this.drawHeads(low, high);
    const ahead = Math.max(-600, Math.min(600, 12 * (low - (this.was ?? low))));
    this.was = low;
    const [a, b] = this.layout.between(low - 60 + Math.min(0, ahead), high + 140 + Math.max(0, ahead));
    if (b >= a) this.thumbs.want(a, b);
  }
  make(at) {
    let cell = this.spare.pop();
    if (!cell) {
      cell = el("div.fc-cell", { role: "option" }, el("canvas", { "aria-hidden": "true" }), el("span.fc-tick", { "aria-hidden": "true" }), el("span.fc-why", { "aria-hidden": "true" }));
      this.list.append(cell);
    }
    const [x, y] = this.layout.place(at);
    if (cell.style.display) cell.style.display = "";
    cell.style.transform = `translate(${x}px,${y}px)`;
    cell.id = `fc-at-${at}`;
    this.cells.set(at, cell);
    this.paint(at, cell);
  }
  paint(at, cell = this.cells.get(at)) {
    if (!cell) return;
    const row = this.rows[at], f = this.faces, words = f.words(row), reason = f.reason[row], chosen = this.selected.has(f.id[row]);
    cell.setAttribute("aria-label", words);
    cell.setAttribute("aria-selected", chosen);
    cell.setAttribute("aria-posinset", at + 1);
    cell.setAttribute("aria-setsize", this.rows.length);
    cell.title = words;
    cell.className = `fc-cell${cell.classList.contains("there") ? " there" : ""}${chosen ? " chosen" : ""}${reason ? " aside" : ""}${at === this.active ? " active" : ""}`;
    cell.lastChild.textContent = reason;
    this.picture(row, cell);
  }
  picture(row, cell) {
    const bitmap = this.thumbs.get(row), canvas = cell.firstChild;
    if (bitmap) {
      if (canvas.width !== bitmap.width) canvas.width = canvas.height = bitmap.width;
      (cell.fcPen ||= canvas.getContext("2d", { alpha: false, willReadFrequently: true })).drawImage(bitmap, 0, 0);
    }
    cell.classList.toggle("there", Boolean(bitmap));
  }
  // A picture came.
  ready(row) {
    const at = this.position?.get(this.faces.id[row]), cell = at === undefined ? null : this.cells.get(at);
    if (cell) this.picture(row, cell);
  }
  drawHeads(low, high) {
    for (const block of this.layout.blocks) {
      const { group, y, top } = block;
      const seen = group.label && y < high + AROUND && top + HEAD > low - AROUND;
      if (!seen && this.headers.has(group.key)) {
        this.headers.get(group.key).remove();
        this.headers.delete(group.key);
      } else if (seen && !this.headers.has(group.key)) {
        const head = el("div.fc-head", {}, el("h2", {}, group.label[0].toUpperCase() + group.label.slice(1)), el("span.fc-dim", {}, counted(group.count)),
          el("button.fc-small", { type: "button", onclick: () => this.chooseAll(group), "aria-label": `Select all of ${group.label}` }, "Select all"));
        if (group.person > 0) {
          head.append(el("button.fc-small", { type: "button", onclick: () => this.on.makeMain(group.person), "aria-label": `Make ${group.label} the main person` }, "Make main person"));
        }
        head.style.transform = `translateY(${y}px)`;
        this.headers.set(group.key, head);
        this.heads.append(head);
      }
    }
  }

  // -- selection --

  ids() {
    return [...this.selected];
  }
  // What an action is done to: the selection, or the face that has the focus.
  meant() {
    return this.selected.size ? this.ids() : this.active >= 0 ? [this.faces.id[this.rows[this.active]]] : [];
  }
  choose(ids) {
    this.selected = new Set([...ids].filter((id) => this.position.has(id)));
    this.refresh();
  }
  chooseAll(group = { start: 0, count: this.rows.length }) {
    const rows = this.rows.slice(group.start, group.start + group.count).map((row) => this.faces.id[row]);
    this.choose(group.key === undefined ? rows : [...this.selected, ...rows]);
  }
  invert() {
    this.choose(this.rows.map((row) => this.faces.id[row]).filter((id) => !this.selected.has(id)));
  }
  refresh() {
    for (const at of this.cells.keys()) this.paint(at);
    this.on.selected();
  }
  between(a, b) {
    return this.rows.slice(Math.min(a, b), Math.max(a, b) + 1).map((row) => this.faces.id[row]);
  }
  toggle(at) {
    const id = this.faces.id[this.rows[at]];
    if (!this.selected.delete(id)) this.selected.add(id);
    this.refresh();
  }
  // Move the focus to a position, and scroll so that it is seen.
  move(at) {
    if (at < 0 || at >= this.rows.length) return;
    const was = this.active;
    this.active = at;
    const [, y] = this.layout.place(at), box = this.root, group = this.layout.block(at);
    const above = y - (y === group.top ? HEAD : 8);
    if (above < box.scrollTop) box.scrollTop = above;
    else if (y + this.layout.size + 8 > box.scrollTop + box.clientHeight) box.scrollTop = y + this.layout.size + 8 - box.clientHeight;
    if (was >= 0) this.paint(was);
    this.draw();
    this.paint(at);
    this.list.setAttribute("aria-activedescendant", `fc-at-${at}`);
  }
  key(event) {
    const { key, shiftKey } = event, length = this.rows.length;
    if (!length || event.altKey) return;
    const page = Math.max(1, Math.floor(this.root.clientHeight / this.layout.pitch)) * this.layout.columns;
    const from = Math.max(this.active, 0);
    const to = { Home: 0, End: length - 1, PageUp: Math.max(0, from - page), PageDown: Math.min(length - 1, from + page) }[key];
    const next = key.startsWith("Arrow") ? (this.active < 0 ? 0 : this.layout.step(from, key)) : to;
    if (next !== undefined) {
      event.preventDefault();
      if (shiftKey) {
        this.anchor = this.anchor >= 0 ? this.anchor : from;
        this.move(next);
        this.choose(this.between(this.anchor, next));
      } else {
        this.move(next);
        this.anchor = next;
      }
    } else if (key === " " && this.active >= 0) {
      event.preventDefault();
      this.anchor = this.active;
      this.toggle(this.active);
    } else if (key === "Enter" && this.active >= 0) {
      event.preventDefault();
      this.on.open(this.rows[this.active]);
    }
  }

  // -- pointer --

  // Position of the face under a pointer, -1 where there is none.
  at(event) {
    const [x, y] = this.point(event);
    return this.layout.inside(x, y, x + 0.5, y + 0.5)[0] ?? -1;
  }
  point(event) {
    const box = this.inner.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  press(event) {
    if (event.button !== 0 || event.pointerType === "touch" || event.target.closest("button")) return;
    event.preventDefault();
    this.list.focus({ preventScroll: true });
    const start = this.point(event), at = this.at(event), adds = event.ctrlKey || event.metaKey, before = new Set(this.selected);
    let last = event, dragging = false, frame = 0;
    const stretch = () => {
      const [x, y] = this.point(last), left = Math.min(x, start[0]), top = Math.min(y, start[1]), right = Math.max(x, start[0]), low = Math.max(y, start[1]);
      Object.assign(this.band.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${low - top}px` });
      const touched = this.layout.inside(left, top, right, low).map((k) => this.faces.id[this.rows[k]]);
      this.choose(adds || last.shiftKey ? [...before, ...touched] : touched);
    };
    const roll = () => {
      const box = this.root.getBoundingClientRect();
      const over = last.clientY < box.top + NEAR ? last.clientY - box.top - NEAR : Math.max(0, last.clientY - box.bottom + NEAR);
      if (over) {
        this.root.scrollTop += Math.max(-FASTEST, Math.min(FASTEST, over / 2));
        stretch();
      }
      frame = requestAnimationFrame(roll);
    };
    const drag = (moved) => {
      last = moved;
      if (!dragging && Math.hypot(moved.clientX - event.clientX, moved.clientY - event.clientY) > 5) {
        dragging = true;
        this.band.hidden = false;
        frame = requestAnimationFrame(roll);
      }
      if (dragging) stretch();
    };
    const end = (done) => {
      window.removeEventListener("pointermove", drag);
      window.removeEventListener("pointerup", end);
      window.removeEventListener("pointercancel", end);
      cancelAnimationFrame(frame);
      this.band.hidden = true;
      if (!dragging && done.type === "pointerup") this.click(at, event);
      else if (dragging && at >= 0) this.anchor = at;
    };
    window.addEventListener("pointermove", drag);
    window.addEventListener("pointerup", end);
    window.addEventListener("pointercancel", end);
  }
  click(at, { ctrlKey, metaKey, shiftKey }) {
    if (at < 0) return ctrlKey || metaKey || shiftKey ? undefined : this.choose([]);
    const anchor = this.anchor >= 0 ? this.anchor : at;
    this.move(at);
    if (shiftKey) return this.choose([...(ctrlKey || metaKey ? this.selected : []), ...this.between(anchor, at)]);
    this.anchor = at;
    if (ctrlKey || metaKey) this.toggle(at);
    else this.choose([this.faces.id[this.rows[at]]]);
  }
  stop() {
    this.watch.disconnect();
  }
}
