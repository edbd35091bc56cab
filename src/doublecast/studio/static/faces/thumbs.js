// Small pictures of faces: fetched by blocks of the order shown, decoded off the main thread, the last few thousand kept.
const BLOCK = 40, AT_ONCE = 3, KEPT = 4000, EVERY = 60;

export class Thumbs {
  // base: address of a side's routes; ready(row): called when a face's picture can be shown
  constructor(base, ready) {
    this.base = base;
    this.ready = ready;
    this.held = new Map(); // key -> image, oldest first
    this.running = new Map(); // block -> { controller, keys }
    this.failed = new Map();
    this.pixels = 112;
  }
  use(faces, rows) {
    this.faces = faces;
    this.rows = rows;
  }
  key(row) {
    return `${this.faces.id[row]}.${this.faces.revision[row]}.${this.pixels}`;
  }
  // The decoded picture of a face; undefined where it has to come first.
  get(row) {
    const key = this.key(row), image = this.held.get(key);
    if (image) {
      this.held.delete(key);
      this.held.set(key, image);
    }
    return image;
  }
  // What is looked at now: positions in the order shown. What nobody looks at any more is not fetched to the end.
  want(first, last) {
    this.first = first;
    this.last = last;
    if (this.timer) return;
    this.timer = setTimeout(() => ((this.timer = null), this.go()), performance.now() - (this.went || 0) < EVERY ? EVERY : 0);
  }
  go() {
    this.went = performance.now();
    const blocks = [];
    for (let block = Math.floor(this.first / BLOCK); block * BLOCK <= this.last; block++) blocks.push(block);
    for (const [block, job] of this.running) if (block * BLOCK > this.last || (block + 1) * BLOCK <= this.first) job.controller.abort();
    for (const block of blocks) {
      if (this.running.size >= AT_ONCE) return;
      if (this.running.has(block)) continue;
      const rows = this.rows.slice(block * BLOCK, (block + 1) * BLOCK).filter((row) => !this.held.has(this.key(row)) && this.again(row));
      if (rows.length) this.fetch(block, rows);
    }
  }
  again(row) {
    return (this.failed.get(this.key(row)) || 0) < performance.now();
  }
  async fetch(block, rows) {
    const controller = new AbortController(), keys = rows.map((row) => this.key(row));
    const job = { controller };
    this.running.set(block, job);
    const ids = rows.map((row) => this.faces.id[row]).join(",");
    const states = rows.map((row, n) => (this.faces.revision[row] ? `${n}.${this.faces.revision[row]}` : "")).filter(Boolean);
    try {
      const state = [this.faces.material, ...states].join("-");
      const answer = await fetch(`${this.base}/thumbs?ids=${ids}&pixels=${this.pixels}&state=${state}`, { signal: controller.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const body = await answer.arrayBuffer(), sizes = new DataView(body);
      const decoded = [];
      for (let at = 0, n = 0; at < body.byteLength; n++) {
        const size = sizes.getUint32(at, true);
        decoded.push(this.decode(keys[n], rows[n], body.slice(at + 4, at + 4 + size)));
        at += 4 + size;
      }
      await Promise.all(decoded);
    } catch (error) {
      if (error.name !== "AbortError") {
        for (const key of keys) this.failed.set(key, performance.now() + 3000);
        setTimeout(() => this.want(this.first, this.last), 3100);
      }
    } finally {
      if (this.running.get(block) === job) this.running.delete(block);
      this.want(this.first, this.last);
    }
  }
  async decode(key, row, data) {
    const image = new Image(), address = URL.createObjectURL(new Blob([data], { type: "image/jpeg" }));
    image.alt = "";
    image.draggable = false;
    image.src = address;
    try {
      await image.decode();
    } finally {
      URL.revokeObjectURL(address);
    }
    this.held.set(key, image);
    if (this.held.size > KEPT) this.held.delete(this.held.keys().next().value);
    if (this.faces.id[row] !== undefined && this.key(row) === key) this.ready(row);
  }
  stop() {
    clearTimeout(this.timer);
    this.timer = 1;
    for (const job of this.running.values()) job.controller.abort();
  }
}
