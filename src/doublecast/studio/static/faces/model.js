// The columns of all faces of a side, and which of them are shown in which order: everything here is quick enough to
// be done again for every change.
import { moment, personName } from "/static/faces/dom.js";

export const SORTS = {
  time: "Time", yaw: "Turned left to right", pitch: "Looking up to down", sharpness: "Sharpness", mouth: "Mouth opening",
  eyes: "Eye opening", size: "Size", identity: "Like the chosen face", expression: "Expression like the chosen face",
};
export const USUAL = {
  show: "all", person: "any", take: "any", low: null, high: null, cell: null, group: "none", sort: "time", down: false, like: null,
};
const NUMBERS = ["take", "index", "seconds", "track", "yaw", "pitch", "roll", "mouth", "eyes", "sharpness", "size", "person", "manual", "revision"];

export class Faces {
  constructor(answer) {
    const columns = answer.columns;
    this.state = answer.state;
    this.version = answer.version;
    this.material = answer.material;
    this.takes = answer.takes;
    this.id = columns.id;
    this.length = this.id.length;
    for (const name of NUMBERS) this[name] = Float64Array.from(columns[name] || [], (v) => (v === null ? NaN : v));
    this.reason = columns.reason || [];
    this.row = new Map(this.id.map((id, row) => [id, row]));
  }
  // What a screen reader says of a face, and a pointer that rests on it shows.
  words(row) {
    const number = (v, digits = 0) => (Number.isNaN(v) ? "unknown" : v.toFixed(digits));
    const kept = this.reason[row] ? `set aside: ${this.reason[row]}` : "kept";
    const turned = `yaw ${number(this.yaw[row])}, pitch ${number(this.pitch[row])}`;
    const corrected = this.revision[row] ? ", corrected" : "";
    return `face ${row + 1}, ${moment(this.seconds[row])}, ${turned}, ${personName(this.person[row])}, ${kept}${corrected}`;
  }
  // Marks that this tab has just set, so that it need not wait for them to come back.
  mark(ids, reason) {
    for (const id of ids) {
      const row = this.row.get(id);
      if (row === undefined) continue;
      this.reason[row] = reason;
      this.manual[row] = reason ? 1 : 2;
      if (!reason) this.person[row] = 0;
    }
  }
  counts() {
    const found = { faces: this.length, kept: 0, main: 0, reasons: new Map(), persons: new Map(), takes: new Map() };
    const more = (map, key) => map.set(key, (map.get(key) || 0) + 1);
    for (let row = 0; row < this.length; row++) {
      const reason = this.reason[row];
      if (reason) more(found.reasons, reason);
      else {
        found.kept++;
        if (this.person[row] === 0) found.main++;
      }
      more(found.persons, this.person[row]);
      more(found.takes, this.take[row]);
    }
    found.reasons = new Map([...found.reasons].sort((a, b) => b[1] - a[1]));
    return found;
  }
  range(name) {
    let low = Infinity, high = -Infinity;
    for (const v of this[name]) if (v < low) low = v;
    for (const v of this[name]) if (v > high) high = v;
    return low <= high ? [low, high] : [0, 0];
  }
}

// Which cell of the map a value lies in; edges as the server gives them, poses beyond them count in the outermost cells.
export function cellOf(value, edges) {
  let at = 0;
  while (at < edges.length - 2 && value >= edges[at + 1]) at++;
  return at;
}

function accepts(faces, s, poses) {
  const person = { any: () => true, main: (p) => p === 0, others: (p) => p > 0, nobody: (p) => p < 0 }[s.person] || ((p) => p === Number(s.person));
  const show = { all: () => true, kept: (r) => !r, aside: (r) => Boolean(r) }[s.show] || ((r) => r === s.show.slice(1));
  const take = s.take === "any" ? () => true : (t) => t === Number(s.take);
  const { low, high, cell } = s;
  return (row) => {
    if (!show(faces.reason[row]) || !person(faces.person[row]) || !take(faces.take[row])) return false;
    if (low !== null && !(faces.sharpness[row] >= low)) return false;
    if (high !== null && !(faces.sharpness[row] <= high)) return false;
    if (cell && poses) return cellOf(faces.pitch[row], poses.pitch) === cell[0] && cellOf(faces.yaw[row], poses.yaw) === cell[1];
    return true;
  };
}

// Rows in the order shown, and groups: [{ key, label, person, start, count }]. distance: of `alike`, for two of the sorts.
export function arranged(faces, s, poses, distance) {
  const wanted = accepts(faces, s, poses);
  let rows = [];
  for (let row = 0; row < faces.length; row++) if (wanted(row)) rows.push(row);
  const key = s.sort === "identity" || s.sort === "expression" ? distance : s.sort === "time" ? null : faces[s.sort];
  const sign = s.down ? -1 : 1;
  if (key) {
    rows.sort((a, b) => {
      const x = key[a], y = key[b], lost = Number.isNaN(x) - Number.isNaN(y);
      return lost || (x === y || (x !== x && y !== y) ? a - b : sign * (x - y));
    });
  } else if (s.down) rows.reverse();
  if (s.group === "none") return { rows, groups: [{ key: "all", label: "", start: 0, count: rows.length }] };
  const by = s.group === "person" ? faces.person : faces.take;
  const parts = new Map();
  for (const row of rows) {
    const value = by[row];
    if (!parts.has(value)) parts.set(value, []);
    parts.get(value).push(row);
  }
  const order = [...parts.keys()].sort((a, b) => (a < 0) - (b < 0) || a - b);
  const groups = [];
  rows = [];
  for (const value of order) {
    const label = s.group === "person" ? personName(value) : faces.takes[value] || `take ${value + 1}`;
    groups.push({ key: value, label, person: s.group === "person" ? value : null, start: rows.length, count: parts.get(value).length });
    for (const row of parts.get(value)) rows.push(row);
  }
  return { rows, groups };
}
