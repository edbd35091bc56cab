// Where faces lie in the grid: pure arithmetic, no elements.
export const HEAD = 40, GAP = 6, EDGE = 8;

export class Layout {
  // groups: of `arranged`; width of the scrolled area and least side of a picture, CSS pixels
  constructor(groups, width, size) {
    const room = width - 2 * EDGE + GAP;
    this.columns = Math.max(1, Math.floor(room / (size + GAP)));
    this.pitch = Math.max(size + GAP, Math.floor(room / this.columns)); // what is left over makes all a little larger
    this.size = this.pitch - GAP;
    this.blocks = [];
    let y = EDGE;
    for (const group of groups) {
      const head = group.label ? HEAD : 0;
      this.blocks.push({ group, y, top: y + head });
      y += head + Math.ceil(group.count / this.columns) * this.pitch;
    }
    this.height = y + EDGE;
    this.length = groups.reduce((sum, group) => sum + group.count, 0);
  }
  block(index) {
    return this.blocks.find(({ group }) => index < group.start + group.count) || this.blocks[this.blocks.length - 1];
  }
  // Left top corner of the face at this position.
  place(index) {
    const { group, top } = this.block(index), k = index - group.start;
    return [EDGE + (k % this.columns) * this.pitch, top + Math.floor(k / this.columns) * this.pitch];
  }
  // First and last position whose lines lie between two heights; last < first where there is none.
  between(low, high) {
    let first = this.length, last = -1;
    for (const { group, top } of this.blocks) {
      const a = Math.max(0, Math.floor((low - top) / this.pitch)), b = Math.floor((high - top) / this.pitch);
      if (b < 0 || a * this.columns >= group.count) continue;
      first = Math.min(first, group.start + a * this.columns);
      last = Math.max(last, group.start + Math.min(group.count, (b + 1) * this.columns) - 1);
    }
    return [first, last];
  }
  // Positions of the faces that a box touches.
  inside(left, low, right, high) {
    const found = [], [first, last] = this.between(low, high);
    for (let index = first; index <= last; index++) {
      const [x, y] = this.place(index);
      if (x < right && x + this.size > left && y < high && y + this.size > low) found.push(index);
    }
    return found;
  }
  // Where an arrow key leads to.
  step(index, key) {
    const { group } = this.block(index), k = index - group.start, line = Math.floor(k / this.columns), column = k % this.columns;
    if (key === "ArrowLeft") return Math.max(0, index - 1);
    if (key === "ArrowRight") return Math.min(this.length - 1, index + 1);
    if (key === "ArrowDown") {
      if (index + this.columns < group.start + group.count) return index + this.columns;
      const lastLine = Math.floor((group.count - 1) / this.columns);
      if (line < lastLine) return group.start + group.count - 1;
      const next = this.blocks[this.blocks.findIndex((b) => b.group === group) + 1];
      return next ? next.group.start + Math.min(column, next.group.count - 1) : index;
    }
    if (line > 0) return index - this.columns;
    const before = this.blocks[this.blocks.findIndex((b) => b.group === group) - 1];
    if (!before) return index;
    const full = Math.floor((before.group.count - 1) / this.columns) * this.columns;
    return before.group.start + Math.min(full + column, before.group.count - 1);
  }
}
