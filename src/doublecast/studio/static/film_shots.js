// Shots as the film page shows them: functions without state, shared by its parts.

// The take cut into segments: at cuts, at the borders of shots with a look of their own, and where the user split.
// shots: [{start, end, faces}], own: [{start, end, look}] of this take, splits: [frame].
export function segments(frames, shots, own, splits) {
  const borders = new Set([0, frames]);
  const add = (frame) => { if (frame > 0 && frame < frames) borders.add(frame); };
  shots.forEach((shot) => add(shot.start));
  own.forEach((one) => { add(one.start); add(one.end); });
  splits.forEach(add);
  const sorted = [...borders].sort((a, b) => a - b);
  return sorted.slice(0, -1).map((start, n) => {
    const end = sorted[n + 1];
    const mine = own.find((one) => one.start <= start && end <= one.end);
    return { number: n + 1, start, end, look: mine ? mine.look : null };
  });
}

// In how many frames from start to end one of the runs [[start, end], ...] is.
export function within(runs, start, end) {
  return runs.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(b, end) - Math.max(a, start)), 0);
}

export const at = (list, index) => list.find((one) => one.start <= index && index < one.end);
