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
const MESH = 468;

export class Landmarks {
  // points: flat list of 478 x 2, frame pixels; recipe: see `recipe` in faces/drag.py
  constructor(points, recipe) {
    this.found = Float64Array.from(points);
    this.recipe = recipe;
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
    const { irises } = this.recipe;
    const all = (first, dx, dy) => {
      for (let m = first; m < first + 5; m++) {
        p[2 * m] += dx;
        p[2 * m + 1] += dy;
      }
    };
    if (mesh.length) {
      const shift = this.spread(mesh, mesh.map((n) => this.moved.get(n).map((v, k) => v - p[2 * n + k])));
      for (let m = 0; m < MESH; m++) {
        p[2 * m] += shift[m][0];
        p[2 * m + 1] += shift[m][1];
      }
      for (const [first, [a, b]] of irises) all(first, (shift[a][0] + shift[b][0]) / 2, (shift[a][1] + shift[b][1]) / 2);
    }
    for (const [first] of irises) {
      if (!this.moved.has(first)) continue;
      const [x, y] = this.moved.get(first);
      all(first, x - p[2 * first], y - p[2 * first + 1]);
    }
  }
  // How far all mesh points go: what the dragged ones have in common reaches far, the rest only their surroundings.
  spread(dragged, shift) {
    const { places, wide, reach, alone } = this.recipe;
    const falloff = (a, b, far, lips) => {
      const d = places[a], e = places[b];
      const away = Math.hypot(d[0] - e[0], d[1] - e[1], d[2] - e[2], lips * (d[3] - e[3])) / far;
      return away < 1 ? (1 - away) ** 4 * (4 * away + 1) : 0;
    };
    const table = (values, far, lips, more) => dragged.map((a, i) => [...dragged.map((b, j) => falloff(a, b, far, lips) + (i === j ? more : 0)), ...values[i]]);
    const along = (strength, far, lips) => places.map((_, m) => [0, 1].map((k) => dragged.reduce((sum, n, i) => sum + falloff(m, n, far, lips) * strength[i][k], 0)));
    const whole = along(eliminate(table(shift, wide, 3, alone)), wide, 3);
    const rest = shift.map((way, i) => way.map((v, k) => v - whole[dragged[i]][k]));
    const near = along(eliminate(table(rest, reach, 1, 0)), reach, 1);
    return whole.map((way, m) => way.map((v, k) => v + near[m][k]));
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
