// Landmarks of a face that is corrected: handles are dragged, their neighbourhood comes along exactly as the server
// will do it (see faces/drag.py).
export const NAMES = {
  33: "outer corner of the left eye", 159: "upper lid of the left eye", 133: "inner corner of the left eye", 145: "lower lid of the left eye",
  263: "outer corner of the right eye", 386: "upper lid of the right eye", 362: "inner corner of the right eye", 374: "lower lid of the right eye",
  468: "iris of the left eye", 473: "iris of the right eye", 70: "outer end of the left brow", 105: "middle of the left brow", 107: "inner end of the left brow",
  300: "outer end of the right brow", 334: "middle of the right brow", 336: "inner end of the right brow", 6: "root of the nose", 1: "tip of the nose",
  98: "left wing of the nose", 327: "right wing of the nose", 2: "base of the nose", 61: "left corner of the mouth", 291: "right corner of the mouth",
  0: "upper edge of the upper lip", 13: "lower edge of the upper lip", 14: "upper edge of the lower lip", 17: "lower edge of the lower lip",
  10: "forehead", 54: "left temple", 284: "right temple", 234: "left cheek", 454: "right cheek", 172: "left side of the jaw", 397: "right side of the jaw", 152: "chin",
}; // left and right as seen in the picture
const MESH = 468, IRISES = [468, 473];

export class Landmarks {
  // points: flat list of 478 x 2, frame pixels; reach: { handle: { landmark: weight } }
  constructor(points, reach) {
    this.found = Float64Array.from(points);
    this.reach = reach;
    this.steps = [];
    this.moved = new Map();
    this.points = this.found.slice();
  }
  get changed() {
    return this.moved.size > 0;
  }
  at(n) {
    return [this.points[2 * n], this.points[2 * n + 1]];
  }
  // Before a drag begins: what undo goes back to.
  remember() {
    this.steps.push(new Map(this.moved));
  }
  back() {
    if (!this.steps.length) return false;
    this.moved = this.steps.pop();
    this.solve();
    return true;
  }
  put(n, x, y) {
    this.moved.set(n, [x, y]);
    this.solve();
  }
  clear() {
    this.steps = [];
    this.moved.clear();
    this.solve();
  }
  solve() {
    const p = (this.points = this.found.slice()), mesh = [...this.moved.keys()].filter((n) => n < MESH);
    if (mesh.length) {
      const table = mesh.map((a) => [...mesh.map((b) => this.reach[b][a] || 0), this.moved.get(a)[0] - p[2 * a], this.moved.get(a)[1] - p[2 * a + 1]]);
      const strength = eliminate(table);
      mesh.forEach((n, k) => {
        for (const [m, weight] of Object.entries(this.reach[n])) {
          p[2 * m] += weight * strength[k][0];
          p[2 * m + 1] += weight * strength[k][1];
        }
      });
    }
    for (const first of IRISES) {
      if (!this.moved.has(first)) continue;
      const [x, y] = this.moved.get(first), dx = x - p[2 * first], dy = y - p[2 * first + 1];
      for (let m = first; m < first + 5; m++) {
        p[2 * m] += dx;
        p[2 * m + 1] += dy;
      }
    }
  }
}

// Solves n equations with two right sides: rows of n + 2 numbers.
function eliminate(rows) {
  const n = rows.length;
  for (let c = 0; c < n; c++) {
    let best = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(rows[r][c]) > Math.abs(rows[best][c])) best = r;
    [rows[c], rows[best]] = [rows[best], rows[c]];
    for (let r = 0; r < n; r++) {
      if (r === c || !rows[r][c]) continue;
      const factor = rows[r][c] / rows[c][c];
      for (let k = c; k < n + 2; k++) rows[r][k] -= factor * rows[c][k];
    }
  }
  return rows.map((row, c) => [row[n] / row[c], row[n + 1] / row[c]]);
}
