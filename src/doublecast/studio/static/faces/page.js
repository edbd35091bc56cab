// The page of faces: loads a side's columns, keeps them true while others change them, and joins the parts.
import { call, follow } from "/static/api.js";
import { el, faces as counted, personName, Toast } from "/static/faces/dom.js";
import { Editor } from "/static/faces/editor.js";
import { Filters } from "/static/faces/filters.js";
import { Grid } from "/static/faces/grid.js";
import { History } from "/static/faces/history.js";
import { arranged, Faces, USUAL } from "/static/faces/model.js";
import { PoseMap } from "/static/faces/pose_map.js";
import { Thumbs } from "/static/faces/thumbs.js";
import { Work } from "/static/faces/work.js";

const SIZE = "doublecast_faces_size";

export function start(root, production, side) {
  const page = new Page(root, production, side);
  return () => page.stop();
}

class Page {
  constructor(root, production, side) {
    Object.assign(this, { production, side, settings: { ...USUAL }, distance: null, loading: 0 });
    this.own = `/api/p/${encodeURIComponent(production)}`;
    this.thumbs = new Thumbs(this.base(), (row) => this.grid.ready(row));
    this.grid = new Grid(this.thumbs, {
      open: (row) => this.editor.show(this.faces.id[row]), selected: () => this.tellSelection(), makeMain: (person) => this.makeMain(person),
    });
    this.filters = new Filters(this);
    this.map = new PoseMap((cell) => this.change({ cell }));
    this.history = new History(this, () => this.toggleHistory());
    this.editor = new Editor(this);
    this.work = new Work(this);
    this.actions = this.bar();
    this.nothing = el("p.fc-none", { hidden: true });
    this.problem = el("div.dc-problem", { role: "alert", hidden: true });
    const shut = el("button.dc-button.fc-more", { type: "button", "aria-expanded": "false", onclick: () => this.toggleSide(shut) }, "Filters and poses");
    this.beside = el("div.fc-side", {}, shut, el("div.fc-side-inner", {}, this.filters.side, this.map.root));
    this.main = el("div.fc-main", {}, this.problem, this.work.root, this.filters.bar, el("div.fc-stack", {}, this.grid.host, this.history.root, this.nothing), this.actions);
    root.append(this.beside, this.main, this.editor.dialog);
    this.toast = new Toast(root);
    this.root = root;
    const size = Number(localStorage.getItem(SIZE)) || 112;
    this.filters.size.value = size;
    this.resize(size);
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.unfollow = follow(production, (kinds) => this.heard(kinds));
    this.load();
  }
  stop() {
    document.removeEventListener("keydown", this.onKey);
    this.unfollow();
    this.thumbs.stop();
    this.grid.stop();
  }
  base() {
    return `${this.own}/faces/${this.side}`;
  }
  bar() {
    const button = (words, run, key) => el("button.dc-button", { type: "button", "aria-keyshortcuts": key, onclick: run }, words);
    this.selectionWords = el("span", { role: "status" });
    this.selectionButtons = [
      button("Set aside", () => this.mark(this.grid.meant(), true), "x"),
      button("Bring back", () => this.mark(this.grid.meant(), false), "r"),
      button("Look closely", () => this.openActive(), "Enter"),
      button("Invert", () => this.grid.invert(), "i"),
      button("Clear", () => this.grid.choose([]), "Escape"),
    ];
    this.personButton = button("", () => this.makeMain(this.commonPerson()));
    return el("div.fc-actions", { role: "toolbar", "aria-label": "Selected faces" }, this.selectionWords, ...this.selectionButtons, this.personButton);
  }

  // -- data --

  async load({ anew = false } = {}) {
    const turn = (this.loading += 1), { side } = this;
    this.again = false;
    try {
      const since = this.faces && !anew ? `?since=${encodeURIComponent(this.faces.state)}` : "";
      const answer = await call(`${this.base()}/columns${since}`);
      if (turn !== this.loading || side !== this.side) return;
      if (answer.unchanged) return;
      this.faces = new Faces(answer);
      this.problem.hidden = true;
      if (this.distanceOf) await this.measure();
      this.refresh();
      this.work.look();
      this.history.load();
      this.loadPoses();
    } catch (error) {
      this.fail(error);
    }
  }
  async loadPoses() {
    try {
      this.poses = await call(`${this.own}/poses`);
      this.map.show(this.poses, this.side, this.settings.cell);
    } catch (error) {
      this.fail(error);
    }
  }
  fail(error) {
    this.problem.textContent = error.message;
    this.problem.hidden = false;
  }
  heard(kinds) {
    const has = (...names) => names.some((name) => kinds.has(name));
    if (has("curation", "reconnected")) this.load();
    else if (has("faces")) this.soon();
    if (has("curation", "reconnected", "faces")) this.posesSoon();
    if (has("activity", "jobs", "reconnected")) this.work.look();
  }
  // Faces that are being found come in often; once in a while is enough to look.
  soon() {
    this.waiting ||= setTimeout(() => ((this.waiting = 0), this.load()), 2000);
  }
  posesSoon() {
    this.waitingPoses ||= setTimeout(() => ((this.waitingPoses = 0), this.loadPoses()), 400);
  }
  refresh() {
    const { faces } = this;
    Object.assign(this.settings, this.filters.offer(faces, this.side));
    const view = arranged(faces, this.settings, this.poses, this.distance);
    this.grid.show(faces, view);
    this.filters.put(this.settings, view.rows.length, faces.length);
    if (this.poses) this.map.show(this.poses, this.side, this.settings.cell);
    this.root.classList.toggle("bare", !faces.length);
    this.nothing.hidden = view.rows.length > 0 || !faces.length;
    this.nothing.textContent = faces.length ? `None of the ${counted(faces.length)} fits these filters. “Show all faces again” brings them back.` : "";
    this.work.put();
  }

  // -- what is shown --

  change(settings) {
    Object.assign(this.settings, settings);
    this.grid.root.scrollTop = 0;
    this.refresh();
  }
  async sort(sort) {
    if (sort !== "identity" && sort !== "expression") {
      this.distance = this.distanceOf = null;
      return this.change({ sort });
    }
    const [id] = this.grid.meant();
    if (!id) {
      this.filters.sort.value = this.settings.sort;
      return this.toast.show("Choose the face first that the others should be like: click it, then choose this order again.");
    }
    this.distanceOf = { id, by: sort };
    if (await this.measure()) {
      this.change({ sort, down: false });
      this.toast.show(`Sorted: most like face ${this.faces.row.get(id) + 1} first.`);
    } else this.filters.sort.value = this.settings.sort;
  }
  async measure() {
    const { id, by } = this.distanceOf;
    try {
      const { distance } = await call(`${this.base()}/alike?face=${id}&by=${by}`);
      if (distance.every((v) => v === null)) throw new Error("This face was never recognised, so it cannot be compared by identity; choose another one.");
      this.distance = Float64Array.from(distance, (v) => (v === null ? NaN : v));
      this.distance[this.faces.row.get(id)] = -1; // before those that are as near because they have its track's vector
      return this.distance.length === this.faces.length;
    } catch (error) {
      this.distanceOf = null;
      this.toast.show(error.message, { bad: true });
      return false;
    }
  }
  resize(size) {
    localStorage.setItem(SIZE, size);
    this.thumbs.pixels = size * (window.devicePixelRatio || 1) > 132 ? 224 : 112;
    this.grid.resize(size);
  }
  turn(side) {
    if (side === this.side) return;
    this.side = side;
    this.thumbs.stop();
    this.thumbs = this.grid.thumbs = new Thumbs(this.base(), (row) => this.grid.ready(row));
    this.faces = this.distance = this.distanceOf = null;
    Object.assign(this.settings, { ...USUAL, group: this.settings.group });
    this.grid.selected.clear();
    this.grid.active = -1;
    this.grid.faces = null;
    this.history.forget();
    this.resize(this.grid.size);
    const address = new URL(location.href);
    address.searchParams.set("side", side);
    window.history.replaceState(null, "", address);
    this.load({ anew: true });
  }
  toggleHistory() {
    const { root } = this.history;
    root.hidden = !root.hidden;
    this.filters.history.setAttribute("aria-expanded", !root.hidden);
    this.history.load();
    if (root.hidden) this.filters.history.focus();
  }
  toggleSide(button) {
    button.setAttribute("aria-expanded", this.beside.classList.toggle("open"));
  }
  tellSelection() {
    const chosen = this.grid.selected.size, some = chosen > 0 || this.grid.active >= 0;
    this.selectionWords.textContent = chosen ? `${counted(chosen)} selected` : "Nothing selected";
    this.selectionButtons.forEach((button, n) => (button.disabled = n < 3 ? !some : n === 4 && !chosen));
    const person = this.commonPerson();
    this.personButton.hidden = !(person > 0);
    if (person > 0) this.personButton.textContent = `Make ${personName(person)} the main person`;
  }
  // The person of all selected faces, -1 where they are not of one.
  commonPerson() {
    let found = -1;
    for (const id of this.grid.selected) {
      const person = this.faces.person[this.faces.row.get(id)];
      if (found >= 0 && person !== found) return -1;
      found = person;
    }
    return found;
  }

  // -- what is changed --

  post(path, body) {
    return call(`${this.base()}/${path}`, { method: "POST", body });
  }
  mark(ids, aside) {
    return ids.length ? this.inTurn(() => this.markNow(ids, aside)) : Promise.resolve();
  }
  async markNow(ids, aside) {
    try {
      const { version } = await this.post(aside ? "set-aside" : "bring-back", { ids });
      this.history.add(version, ids);
      this.faces.mark(ids, aside ? "dropped" : "");
      this.grid.choose([]);
      this.refresh();
      this.toast.show(`${counted(ids.length)} ${aside ? "set aside" : "brought back"}.`, { action: "Undo", run: () => this.undo(version) });
    } catch (error) {
      this.toast.show(error.message, { bad: true });
    }
  }
  async revert(number) {
    const { version } = await this.post("revert", { number });
    await this.load();
    return version;
  }
  // Steps are done one after the other, however quickly they are asked for.
  inTurn(run) {
    return (this.turns = (this.turns || Promise.resolve()).then(run));
  }
  // Takes back this tab's newest step, or exactly the one that a message offers.
  undo(version = null, redo = false) {
    return this.inTurn(() => this.undoNow(version, redo));
  }
  async undoNow(version, redo) {
    try {
      const newest = this.history.done[this.history.done.length - 1];
      if (version !== null && (!newest || newest.version !== version)) {
        await this.revert(version);
        return this.toast.show("Undone.");
      }
      const ids = await (redo ? this.history.redo() : this.history.undo());
      if (!ids) return this.toast.show(`Nothing to ${redo ? "do again" : "undo"} in this tab; the history has all steps.`);
      this.grid.choose(ids);
      this.toast.show(redo ? "Done again." : "Undone.");
    } catch (error) {
      this.toast.show(error.message, { bad: true });
    }
  }
  takeBack(step) {
    return this.inTurn(() => this.takeBackNow(step));
  }
  async takeBackNow(step) {
    try {
      this.history.add(await this.revert(step.number), []);
      this.toast.show(`Step ${step.number} taken back.`);
    } catch (error) {
      this.toast.show(error.message, { bad: true });
    }
  }
  async makeMain(person) {
    try {
      await this.post("main-person", { person });
      this.toast.show(`Curating again with ${personName(person)} as the main person.`);
      this.work.look();
    } catch (error) {
      this.toast.show(error.message, { bad: true });
    }
  }

  // -- what the large view asks for --

  openActive() {
    const [id] = this.grid.meant();
    if (id) this.editor.show(id);
  }
  next(id, way) {
    const at = this.grid.position.get(id), row = at === undefined ? undefined : this.grid.rows[at + way];
    return row === undefined ? null : this.faces.id[row];
  }
  facts(id) {
    const row = this.faces.row.get(id), f = this.faces;
    return { number: row + 1, seconds: f.seconds[row], reason: f.reason[row], person: f.person[row] };
  }
  thumb(id) {
    const row = this.faces.row.get(id);
    return `${this.base()}/crop?face=${id}&state=${this.faces.material}-${this.faces.revision[row]}`;
  }
  async saved(version, id, words) {
    this.history.add(version, [id]);
    await this.load();
    this.toast.show(words, { action: "Undo", run: () => this.undo(version) });
  }
  closed(id) {
    const at = this.grid.position.get(id);
    this.grid.list.focus({ preventScroll: true });
    if (at !== undefined) this.grid.move(at);
  }

  // -- keys of the whole page --

  key(event) {
    const { key } = event, ctrl = event.ctrlKey || event.metaKey;
    if (event.altKey || event.defaultPrevented || document.querySelector("dialog[open]") || !this.faces) return;
    if (event.target.closest?.("input:not([type=checkbox]), textarea, select")) return;
    const run = ctrl
      ? { z: () => this.undo(null, event.shiftKey), a: () => this.grid.chooseAll() }[key.toLowerCase()]
      : {
          x: () => this.mark(this.grid.meant(), true), Delete: () => this.mark(this.grid.meant(), true), r: () => this.mark(this.grid.meant(), false),
          i: () => this.grid.invert(), h: () => this.toggleHistory(), Escape: () => this.grid.choose([]),
        }[key];
    if (!run) return;
    event.preventDefault();
    run();
  }
}
