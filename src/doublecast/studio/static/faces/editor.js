// One face, large, in its frame: what is known of it, and its landmarks to correct.
import { call } from "/static/api.js";
import { el, labelled, moment, personName } from "/static/faces/dom.js";
import { Landmarks, NAMES } from "/static/faces/landmarks.js";
import { Stage } from "/static/faces/stage.js";

export class Editor {
  // page: { base(), next(id, way) -> id, mark(ids, aside), thumb(id) -> address, saved(version, id, words), toast }
  constructor(page) {
    this.page = page;
    this.stage = new Stage({ grab: () => this.land.remember(), drag: (n, x, y) => this.drag(n, x, y) });
    const button = (words, run, classes = "dc-button") => el(`button.${classes}`, { type: "button", onclick: run }, words);
    const box = (words, key, on) => {
      const input = el("input", { type: "checkbox", checked: on, onchange: () => this.toggle(key, input.checked) });
      this.stage.layers[key] = on;
      this.boxes[key] = input;
      return labelled(words, input, { inline: true });
    };
    this.boxes = {};
    this.title = el("h2", { id: "fc-editor-title" });
    this.problem = el("div.dc-problem", { role: "alert", hidden: true });
    this.note = el("p.dc-dim.fc-fine", { role: "status" });
    this.facts = el("dl.fc-facts");
    this.crop = el("img.fc-crop", { alt: "The aligned crop that is trained on" });
    this.previous = button("← Previous", () => this.turn(-1));
    this.following = button("Next →", () => this.turn(1));
    this.markButton = button("", () => this.mark());
    this.save = button("Save", () => this.store(), "dc-button.primary");
    this.undoMove = button("Undo move", () => this.back());
    this.cancel = button("Cancel", () => this.discard());
    this.reset = button("Bring back the found landmarks", () => this.restore());
    const layers = el("fieldset", {}, el("legend", {}, "Show"), box("Landmarks", "dots", true), box("Outline of the mask", "oval", true), box("Square of the crop", "quad", true), box("What hides the face", "covered", false));
    this.tools = el("fieldset", {}, el("legend", {}, "Correct"), box("Drag landmarks", "handles", false), el("div.dc-row", {}, this.save, this.cancel, this.undoMove), this.reset, this.note);
    const side = el("div.fe-side", {}, el("div.dc-row", {}, this.previous, this.following), this.crop, this.markButton, layers, this.tools, this.facts);
    this.closeButton = el("button.fc-icon", { type: "button", "aria-label": "Close", onclick: () => this.close() }, "✕");
    const head = el("header", {}, this.title, el("span.dc-space"), this.stage.zoomTools, this.closeButton);
    this.dialog = el("dialog.fe", { "aria-labelledby": "fc-editor-title" }, head, this.problem, el("div.fe-body", {}, this.stage.root, side));
    this.dialog.addEventListener("cancel", (event) => (event.preventDefault(), this.escape()));
    this.dialog.addEventListener("keydown", (event) => this.key(event));
  }
  get open() {
    return this.dialog.open;
  }
  async show(id) {
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.closeButton.focus();
    }
    this.id = id;
    this.problem.hidden = true;
    this.controller?.abort();
    const controller = (this.controller = new AbortController());
    this.dialog.setAttribute("aria-busy", "true");
    try {
      this.recipe ||= await call("/api/faces/handles");
      const answer = await call(`${this.page.base()}/face?face=${id}`, { signal: controller.signal });
      const body = await answer.arrayBuffer(), size = new DataView(body).getUint32(0, true);
      const told = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, size)));
      const picture = await createImageBitmap(new Blob([new Uint8Array(body, 4 + size)], { type: "image/jpeg" }));
      if (controller.signal.aborted) return;
      this.told = told;
      this.land = new Landmarks(told.points, this.recipe);
      this.stage.show(picture, told, this.land, this.recipe.handles);
      if (this.boxes.covered.checked) this.cover({ quiet: true });
      this.tell();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.told = null;
      this.stage.blank();
      this.tell();
      this.fail(error);
    } finally {
      if (this.controller === controller) this.dialog.removeAttribute("aria-busy");
    }
  }
  fail(error) {
    this.problem.textContent = error.message;
    this.problem.hidden = false;
  }
  // Words and buttons as they are true now.
  tell() {
    const facts = this.page.facts(this.id), f = this.told?.facts, changed = Boolean(this.land?.changed && this.told);
    this.title.textContent = `Face ${facts.number}, ${moment(facts.seconds)}`;
    this.crop.src = this.page.thumb(this.id);
    this.markButton.textContent = facts.reason ? "Bring back (r)" : "Set aside (x)";
    this.previous.disabled = !this.page.next(this.id, -1);
    this.following.disabled = !this.page.next(this.id, 1);
    this.save.disabled = this.cancel.disabled = this.undoMove.disabled = !changed;
    this.reset.hidden = !f?.corrected;
    this.tools.disabled = !f;
    const lines = [["State", facts.reason ? `set aside: ${facts.reason}` : "kept"], ["Person", personName(facts.person)]];
    if (f) {
      lines.push(["Take", f.take], ["Frame", `${f.index}, at ${moment(f.seconds)}`], ["Pose", `yaw ${f.yaw}°, pitch ${f.pitch}°, roll ${f.roll}°`]);
      lines.push(["Sharpness", f.sharpness], ["Mouth", `${f.mouth} open`], ["Eyes", `${f.eyes.join(" and ")} open`]);
      lines.push(["Size", `${Math.round(f.size)} pixels, crop ${f.crop}`], ["Certainty", f.presence], ["Landmarks", f.corrected ? "corrected by hand" : "as found"]);
    }
    this.facts.replaceChildren(...lines.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));
  }
  toggle(key, on) {
    this.stage.layers[key] = on;
    this.stage.draw();
    if (key === "handles") this.note.textContent = on ? "Drag a handle, or choose one with Tab and move it with the arrow keys (Shift: ten pixels)." : "";
    if (key === "covered" && on) this.cover();
  }
  async cover({ quiet = false } = {}) {
    const id = this.id;
    if (!quiet) this.note.textContent = "Looking for what hides the face…";
    try {
      const { covered } = await call(`${this.page.base()}/covered?face=${id}`);
      if (this.id !== id) return;
      this.stage.covered = covered;
      this.stage.draw();
      if (!quiet) this.note.textContent = covered.length ? `${covered.length} of 468 points of the face are hidden.` : "Nothing hides the face.";
    } catch (error) {
      this.note.textContent = "";
      this.fail(error);
    }
  }
  drag(n, x, y) {
    this.land.put(n, x, y);
    this.stage.draw();
    this.note.textContent = `${NAMES[n] || "landmark"}: ${x.toFixed(1)}, ${y.toFixed(1)}. Not saved yet.`;
    this.tell();
  }
  back() {
    if (this.land.back()) this.note.textContent = "The last move was taken back.";
    this.stage.draw();
    this.tell();
  }
  discard() {
    this.land.clear();
    this.stage.draw();
    this.note.textContent = "Nothing was changed.";
    this.tell();
  }
  store() {
    const { id } = this, handles = Object.fromEntries([...this.land.moved].map(([n, place]) => [n, place]));
    return this.change("correct", { face: id, revision: this.told.revision, handles }, "Saved: aligned and cropped again.", "Face corrected.");
  }
  restore() {
    return this.change("reset", { face: this.id }, "The landmarks that were found are back.", "Found landmarks brought back.");
  }
  async change(what, body, note, words) {
    this.problem.hidden = true;
    this.save.disabled = this.reset.disabled = true;
    this.note.textContent = "Saving…";
    try {
      const { version } = await call(`${this.page.base()}/${what}`, { method: "POST", body });
      await this.page.saved(version, this.id, words);
      await this.show(this.id);
      this.note.textContent = note;
    } catch (error) {
      this.note.textContent = "";
      this.fail(error);
    } finally {
      this.reset.disabled = false;
      this.tell();
    }
  }
  async mark() {
    await this.page.mark([this.id], !this.page.facts(this.id).reason);
    this.tell();
  }
  turn(way) {
    const next = this.page.next(this.id, way);
    if (this.land?.changed) this.note.textContent = "Save or cancel the correction first.";
    else if (next) this.show(next);
  }
  escape() {
    if (this.land?.changed) this.discard();
    else this.close();
  }
  close() {
    if (this.land?.changed) this.land.clear();
    this.controller?.abort();
    this.dialog.close();
    this.page.closed(this.id);
  }
  key(event) {
    event.stopPropagation();
    const handle = event.target.closest(".fe-handle"), typing = event.target.closest("input[type=range], select");
    const { key } = event;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (handle && way) {
      event.preventDefault();
      const n = Number(handle.dataset.n), [x, y] = this.land.at(n), far = event.shiftKey ? 10 : 1;
      this.land.remember();
      this.drag(n, x + way[0] * far, y + way[1] * far);
    } else if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "z") {
      event.preventDefault();
      this.back();
    } else if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    else if (key === "ArrowLeft" || key === "ArrowRight") this.turn(key === "ArrowLeft" ? -1 : 1);
    else if (key === "x" || key === "Delete" || key === "r") this.page.mark([this.id], key !== "r").then(() => this.tell());
    else if (key === "e") {
      this.boxes.handles.checked = !this.boxes.handles.checked;
      this.toggle("handles", this.boxes.handles.checked);
    } else if (key === "+" || key === "-") this.stage.zoom(key === "+" ? 1.25 : 0.8);
  }
}
