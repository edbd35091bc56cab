// The picture of a face in its frame, drawn on a canvas, with what lies over it and handles to drag.
import { el } from "/static/faces/dom.js";
import { NAMES } from "/static/faces/landmarks.js";

export class Stage {
  // on: { grab(), drag(n, x, y) } in frame pixels
  constructor(on) {
    this.on = on;
    this.layers = {};
    this.covered = [];
    this.canvas = el("canvas", { role: "img", "aria-label": "The face in its frame" });
    this.handles = el("div.fe-handles");
    this.root = el("div.fe-stage", {}, this.canvas, this.handles);
    const button = (words, name, run) => el("button.fc-icon", { type: "button", "aria-label": name, title: name, onclick: run }, words);
    this.zoomTools = el("span.fe-zoom", {}, button("−", "Smaller", () => this.zoom(0.8)), button("+", "Larger", () => this.zoom(1.25)), button("⤢", "Fit", () => this.fit()));
    this.root.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = this.root.getBoundingClientRect();
      this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, [event.clientX - box.left, event.clientY - box.top]);
    }, { passive: false });
    this.root.addEventListener("pointerdown", (event) => this.press(event));
    this.watch = new ResizeObserver(() => this.picture && this.fit());
    this.watch.observe(this.root);
  }
  show(picture, told, land, handles) {
    const same = this.told?.facts.id === told.facts.id, still = same && this.told.offset.join() === told.offset.join() && this.told.scale === told.scale;
    this.picture?.close();
    Object.assign(this, { picture, told, land });
    if (!same) this.covered = [];
    if (this.buttons?.length !== handles.length) {
      this.buttons = handles.map((n) => el("button.fe-handle", { type: "button", "data-n": n, "aria-label": NAMES[n] || `landmark ${n}`, title: NAMES[n] }));
      this.handles.replaceChildren(...this.buttons);
    }
    if (still) this.draw();
    else this.fit();
  }
  blank() {
    this.picture = null;
    this.told = null;
    this.handles.hidden = true;
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
  fit() {
    if (!this.picture) return;
    const { clientWidth: w, clientHeight: h } = this.root, k = Math.min(w / this.picture.width, h / this.picture.height, 4);
    this.view = { k, x: (w - k * this.picture.width) / 2, y: (h - k * this.picture.height) / 2 };
    this.draw();
  }
  zoom(factor, about) {
    if (!this.picture) return;
    const [x, y] = about || [this.root.clientWidth / 2, this.root.clientHeight / 2], v = this.view;
    const k = Math.max(0.1, Math.min(16, v.k * factor)), f = k / v.k;
    this.view = { k, x: x - f * (x - v.x), y: y - f * (y - v.y) };
    this.draw();
  }
  // Frame pixels to pixels of the stage and back.
  out(x, y) {
    const { offset, scale } = this.told, { k } = this.view;
    return [(x + 0.5 - offset[0]) * scale * k + this.view.x, (y + 0.5 - offset[1]) * scale * k + this.view.y];
  }
  back(x, y) {
    const { offset, scale } = this.told, { k } = this.view;
    return [(x - this.view.x) / (scale * k) + offset[0] - 0.5, (y - this.view.y) / (scale * k) + offset[1] - 0.5];
  }
  draw() {
    if (!this.picture || !this.view) return;
    const dense = window.devicePixelRatio || 1, { clientWidth: w, clientHeight: h } = this.root;
    if (this.canvas.width !== Math.round(w * dense) || this.canvas.height !== Math.round(h * dense)) {
      this.canvas.width = Math.round(w * dense);
      this.canvas.height = Math.round(h * dense);
    }
    const c = this.canvas.getContext("2d"), { k, x, y } = this.view;
    c.setTransform(dense, 0, 0, dense, 0, 0);
    c.clearRect(0, 0, w, h);
    c.imageSmoothingEnabled = k < 3;
    c.drawImage(this.picture, x, y, this.picture.width * k, this.picture.height * k);
    const path = (places) => {
      c.beginPath();
      places.forEach(([px, py], n) => (n ? c.lineTo(px, py) : c.moveTo(px, py)));
      c.closePath();
      for (const [width, colour] of [[4, "#000a"], [2, c.fcColour]]) {
        c.lineWidth = width;
        c.strokeStyle = colour;
        c.stroke();
      }
    };
    if (this.layers.quad) {
      c.fcColour = "#ffd34d";
      path(this.told.quad.map(([px, py]) => this.out(px, py)));
    }
    if (this.layers.oval) {
      c.fcColour = "#4dd2ff";
      path(this.told.oval.map((n) => this.out(...this.land.at(n))));
    }
    if (this.layers.dots) {
      c.fillStyle = "#7dff8a";
      for (let n = 0; n < 478; n++) {
        const [px, py] = this.out(...this.land.at(n));
        c.fillRect(px - 1, py - 1, 2, 2);
      }
    }
    if (this.layers.covered) {
      c.fillStyle = "#ff4d6d";
      for (const n of this.covered) {
        const [px, py] = this.out(...this.land.at(n));
        c.fillRect(px - 2.5, py - 2.5, 5, 5);
      }
    }
    this.handles.hidden = !this.layers.handles;
    if (!this.layers.handles) return;
    for (const button of this.buttons) {
      const n = Number(button.dataset.n), [px, py] = this.out(...this.land.at(n));
      button.style.transform = `translate(${px}px,${py}px)`;
      button.classList.toggle("moved", this.land.moved.has(n));
    }
  }
  press(event) {
    if (event.button !== 0 || !this.picture) return;
    const handle = event.target.closest(".fe-handle"), start = { ...this.view };
    const n = handle ? Number(handle.dataset.n) : -1, from = handle ? this.out(...this.land.at(n)) : null;
    event.preventDefault();
    if (handle) handle.focus({ preventScroll: true });
    let begun = false;
    const move = (moved) => {
      const dx = moved.clientX - event.clientX, dy = moved.clientY - event.clientY;
      if (!begun && Math.hypot(dx, dy) < 2) return;
      if (handle) {
        if (!begun) this.on.grab();
        this.on.drag(n, ...this.back(from[0] + dx, from[1] + dy));
      } else {
        this.view = { ...start, x: start.x + dx, y: start.y + dy };
        this.draw();
      }
      begun = true;
    };
    const end = () => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", end);
      window.removeEventListener("pointercancel", end);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", end);
    window.addEventListener("pointercancel", end);
  }
}
