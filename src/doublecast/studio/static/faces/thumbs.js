// Small pictures of faces: fetched by blocks of the order shown and decoded in a worker, the last few thousand kept.
const BLOCK = 40, AT_ONCE = 3, EVERY = 50;
const KEPT = { 112: 2500, 224: 700 }; // so many pictures by their side in pixels: about 130 MB

export class Thumbs {
  // base: address of a side's routes; ready(row): called when a face's picture can be shown
  constructor(base, ready) {
    this.base = base;
    this.ready = ready;
    this.held = new Map(); // key -> ImageBitmap, the one that was used longest ago first
    this.running = new Map(); // block -> { number, keys, rows, faces }
    this.failed = new Map();
    this.pixels = 112;
    this.number = 0;
    this.worker = new Worker("/static/faces/thumb_worker.js");
    this.worker.onmessage = ({ data }) => this.came(data);
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
    const key = this.key(row), bitmap = this.held.get(key);
    if (bitmap) {
      this.held.delete(key);
      this.held.set(key, bitmap);
    }
    return bitmap;
  }
  // What is looked at now: positions in the order shown. What nobody looks at any more is not fetched to the end.
  want(first, last) {
    this.first = first;
    this.last = last;
    if (this.timer) return;
    this.timer = setTimeout(() => ((this.timer = null), this.go()), performance.now() - (this.went || 0) < EVERY ? EVERY : 0);
  }
  go() {
    const [was, first, last] = [this.before ?? this.first, this.first, this.last];
    this.went = performance.now();
    this.before = first;
    for (const [block, job] of this.running) {
      if (block * BLOCK > last || (block + 1) * BLOCK <= first) {
        this.worker.postMessage({ abort: job.number });
        this.running.delete(block);
      }
    }
    const blocks = [];
    for (let block = Math.floor(first / BLOCK); block * BLOCK <= last; block++) blocks.push(block);
    if (first < was) blocks.reverse(); // the window moves up: what comes into it is at the other end
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
  fetch(block, rows) {
    const number = (this.number += 1), { faces } = this;
    this.running.set(block, { number, rows, faces, keys: rows.map((row) => this.key(row)) });
    const ids = rows.map((row) => faces.id[row]).join(",");
    const states = rows.map((row, n) => (faces.revision[row] ? `${n}.${faces.revision[row]}` : "")).filter(Boolean);
    const state = [faces.material, ...states].join("-");
    this.worker.postMessage({ fetch: number, address: `${this.base}/thumbs?ids=${ids}&pixels=${this.pixels}&state=${state}` });
  }
  came({ number, bitmaps }) {
    const found = [...this.running].find(([, job]) => job.number === number);
    if (found) {
      const [block, job] = found;
      this.running.delete(block);
      job.keys.forEach((key, n) => {
        if (!bitmaps?.[n]) return this.failed.set(key, performance.now() + 3000);
        this.held.set(key, bitmaps[n]);
        if (job.faces === this.faces) this.ready(job.rows[n]);
        else if (this.faces.row.has(job.faces.id[job.rows[n]])) this.ready(this.faces.row.get(job.faces.id[job.rows[n]]));
      });
      if (!bitmaps) setTimeout(() => this.want(this.first, this.last), 3100);
    }
    while (this.held.size > KEPT[this.pixels]) {
      const [oldest, bitmap] = this.held.entries().next().value;
      this.held.delete(oldest);
      bitmap.close();
    }
    this.want(this.first, this.last);
  }
  stop() {
    clearTimeout(this.timer);
    this.timer = 1;
    this.worker.terminate();
    for (const bitmap of this.held.values()) bitmap.close();
  }
}
