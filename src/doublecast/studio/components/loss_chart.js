// The losses of a training, over minutes or steps. The server thins the log (see curve.py); here it is smoothed and drawn.
import { call, clock } from "/static/api.js";
import { watchJobs } from "/static/jobs.js";
import { trainPath, watchTrain } from "/static/train.js";

const NAMES = { l1: "Colour", dssim: "Structure", gradient: "Edges" };
const HEIGHT = 280, LEFT = 58, RIGHT = 12, TOP = 10, BOTTOM = 40, EVERY = 2000;
const short = (value) => (value === null || value === undefined ? "–" : value >= 0.1 ? value.toFixed(3) : +value.toPrecision(3) + "");

export default {
  template: `
    <section v-if="train && train.shown" class="dc-card dc-loss" aria-labelledby="dc-loss-title">
      <div class="dc-row">
        <h2 id="dc-loss-title">Losses</h2>
        <span class="dc-space"></span>
        <label class="dc-row">Over <select v-model="axis" aria-label="Horizontal axis"><option value="seconds">time</option><option value="step">steps</option></select></label>
        <label class="dc-row"><input type="checkbox" v-model="log"> Logarithmic</label>
        <label class="dc-row">Smooth <input type="range" min="0" max="20" v-model.number="smooth" aria-label="Smoothing" :aria-valuetext="smooth ? smooth + ' of 20' : 'none'"></label>
      </div>
      <p class="dc-dim">Lower is better; where a curve is flat there is little left to learn.</p>
      <p v-if="!count" class="dc-dim">The curve begins with the first seconds of training.</p>
      <template v-else>
        <div class="dc-row dc-legend">
          <button v-for="(name, n) in names" :key="name" type="button" class="dc-key" :aria-pressed="!hidden[name]" @click="hidden[name] = !hidden[name]">
            <svg width="28" height="10" aria-hidden="true"><line x1="0" x2="28" y1="5" y2="5" :class="'dc-line dc-line-' + (n % 4)"/></svg>
            {{ title(name) }} <span class="dc-value">{{ short(reading.losses[name]) }}</span>
          </button>
          <span class="dc-space"></span>
          <span class="dc-dim dc-value">{{ where }}</span>
        </div>
        <div ref="box" class="dc-plot">
          <svg :width="width" :height="height" role="img" :aria-label="summary" @pointermove="move" @pointerleave="over = null">
            <g class="dc-ticks">
              <template v-for="t in yTicks" :key="'y' + t.value"><line :x1="left" :x2="width - right" :y1="t.at" :y2="t.at"/><text :x="left - 6" :y="t.at + 4" text-anchor="end">{{ t.words }}</text></template>
              <text v-for="t in xTicks" :key="'x' + t.value" :x="t.at" :y="height - 20" text-anchor="middle">{{ t.words }}</text>
              <text :x="(left + width) / 2" :y="height - 4" text-anchor="middle">{{ axis === "seconds" ? "minutes of training" : "steps" }}</text>
            </g>
            <template v-for="(name, n) in names" :key="name">
              <path v-if="!hidden[name] && smooth" :d="lines[name].raw" :class="'dc-line dc-raw dc-line-' + (n % 4)"/>
              <path v-if="!hidden[name]" :d="lines[name].smooth" :class="'dc-line dc-line-' + (n % 4)"/>
            </template>
            <line v-if="over !== null" class="dc-cross" :x1="xs[over]" :x2="xs[over]" :y1="10" :y2="height - 40"/>
          </svg>
        </div>
        <div class="dc-row dc-dim"><span>{{ pace }}</span></div>
        <details>
          <summary>As a table</summary>
          <div class="dc-scroll" tabindex="0" role="region" aria-label="Losses as a table"><table class="dc-table">
            <thead><tr><th scope="col">Time</th><th scope="col">Step</th><th scope="col">Faces/s</th><th v-for="name in names" :key="name" scope="col">{{ title(name) }}</th></tr></thead>
            <tbody><tr v-for="i in rows" :key="i"><td>{{ time(curve.seconds[i]) }}</td><td>{{ Math.round(curve.step[i]).toLocaleString("en") }}</td><td>{{ Math.round(curve.rate[i]) }}</td>
              <td v-for="name in names" :key="name">{{ short(curve.losses[name][i]) }}</td></tr></tbody>
          </table></div>
        </details>
      </template>
      <div v-if="error" class="dc-problem" role="alert">{{ error }}</div>
    </section>`,
  props: { production: String },
  data: () => ({
    train: null, work: null, curve: null, model: null, axis: "seconds", log: true, smooth: 8, hidden: {}, over: null, width: 700,
    height: HEIGHT, left: LEFT, right: RIGHT, error: "",
  }),
  computed: {
    count() { return this.curve ? this.curve.step.length : 0; },
    names() { return Object.keys(this.curve?.losses || {}); },
    data() { return this.curve[this.axis]; },
    smoothed() { return Object.fromEntries(this.names.map((name) => [name, soften(this.curve.losses[name], this.smooth)])); },
    range() {
      let low = Infinity, high = -Infinity;
      for (const name of this.names) if (!this.hidden[name]) for (const value of this.smoothed[name]) {
        if (value === null || (this.log && value <= 0)) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      if (!(low <= high)) return [0.01, 1];
      return this.log ? [low / 1.1, high * 1.1] : [0, high * 1.05 || 1];
    },
    xs() {
      const x = this.data, first = this.first, span = x[x.length - 1] - first || 1, wide = this.width - LEFT - RIGHT;
      return x.map((value) => LEFT + ((value - first) / span) * wide);
    },
    first() { return Math.min(this.data[0], this.data[this.data.length - 1] > 4 * this.data[0] ? 0 : Infinity); },
    y() {
      const [low, high] = this.range, tall = HEIGHT - TOP - BOTTOM;
      const f = this.log ? (v) => Math.log(v / low) / Math.log(high / low) : (v) => (v - low) / (high - low);
      return (v) => TOP + tall * (1 - Math.max(-0.02, Math.min(1.02, f(v))));
    },
    lines() {
      const draw = (values) => {
        let d = "", pen = "M";
        values.forEach((value, i) => {
          if (value === null || (this.log && value <= 0)) return void (pen = "M");
          d += `${pen}${this.xs[i].toFixed(1)} ${this.y(value).toFixed(1)}`;
          pen = "L";
        });
        return this.count === 1 && d ? d + "h1" : d;
      };
      return Object.fromEntries(this.names.map((n) => [n, { raw: this.smooth ? draw(this.curve.losses[n]) : "", smooth: draw(this.smoothed[n]) }]));
    },
    yTicks() {
      const [low, high] = this.range;
      const values = this.log ? decades(low, high) : even(low, high, 5);
      return values.map((value) => ({ value, at: this.y(value), words: short(value) }));
    },
    xTicks() {
      const x = this.data, last = x[x.length - 1], per = this.axis === "seconds" ? 60 : 1, span = last - this.first || 1;
      return even(this.first / per, last / per, Math.max(3, Math.floor(this.width / 130))).map((value) => ({
        value, at: LEFT + ((value * per - this.first) / span) * (this.width - LEFT - RIGHT), words: +value.toPrecision(6) + "",
      }));
    },
    reading() {
      const i = this.over ?? this.count - 1;
      return { i, losses: Object.fromEntries(this.names.map((n) => [n, this.smoothed[n][i]])) };
    },
    where() {
      const i = this.reading.i;
      return `${this.over === null ? "now: " : ""}${clock(this.curve.seconds[i])} · step ${Math.round(this.curve.step[i]).toLocaleString("en")} · ${Math.round(this.curve.rate[i])} faces/s`;
    },
    pace() {
      const a = this.work?.activity;
      if (!(a?.state === "running" && a.stage === "train")) return "";
      const left = a.seconds_left ? ` ${clock(a.seconds_left)} left.` : "";
      return `${Math.round(this.curve.rate[this.count - 1])} faces per second.${left}`;
    },
    summary() {
      const parts = this.names.map((n) => `${this.title(n)} from ${short(this.smoothed[n][0])} to ${short(this.smoothed[n][this.count - 1])}`);
      return `Losses over ${clock(this.curve.seconds[this.count - 1])} of training: ${parts.join(", ")}. The numbers are in the table below.`;
    },
    rows() { return Array.from({ length: Math.min(20, this.count) }, (_, k, n = Math.min(20, this.count)) => (n < 2 ? 0 : Math.round((k * (this.count - 1)) / (n - 1)))); },
  },
  watch: { axis() { this.over = null; this.load(); } },
  mounted() {
    this.sizes = new ResizeObserver((entries) => { const w = Math.floor(entries[0].contentRect.width); if (w > 0) this.width = Math.max(240, w); });
    this.ends = [
      watchTrain(this.production, (state) => {
        this.train = state;
        if (state.shown) this.load();
      }),
      watchJobs(this.production, (state) => {
        this.work = state;
        if (state.activity?.state === "running" && state.activity.stage === "train") this.soon();
      }),
    ];
  },
  updated() {
    const box = this.$refs.box || null;
    if (box === this.seen) return;
    this.sizes.disconnect();
    if (box) this.sizes.observe(box);
    this.seen = box;
  },
  unmounted() { this.ends.forEach((end) => end()); this.sizes.disconnect(); clearTimeout(this.timer); },
  methods: {
    short,
    title(name) { return NAMES[name] || name; },
    time: (seconds) => clock(seconds),
    soon() {
      if (!this.timer && !document.hidden) this.timer = setTimeout(() => { this.timer = 0; this.load(); }, EVERY);
    },
    async load() {
      if (!this.train?.shown) return;
      const model = this.train.shown, asked = (this.asked = {});
      try {
        const found = await call(trainPath(this.production, `/${encodeURIComponent(model)}/log?axis=${this.axis}`));
        if (asked !== this.asked) return;
        if (found.step.length !== this.count) this.over = null;
        this.curve = found;
        this.error = "";
      } catch (error) { this.error = this.work?.error ? "" : error.message; } // told by the jobs already
    },
    move(event) {
      const x = event.clientX - event.currentTarget.getBoundingClientRect().left, xs = this.xs;
      let low = 0, high = xs.length - 1;
      while (high - low > 1) { const mid = (low + high) >> 1; xs[mid] < x ? (low = mid) : (high = mid); }
      this.over = x - xs[low] < xs[high] - x ? low : high;
    },
  },
};

// Mean over a window that widens with `amount` (0: as it is); the ends lean to themselves.
function soften(values, amount) {
  if (!amount) return values;
  const reach = Math.max(1, Math.round((values.length * amount) / 400));
  return values.map((value, i) => {
    if (value === null) return null;
    const near = Math.min(reach, i, values.length - 1 - i);
    let sum = 0, n = 0;
    for (let k = i - near; k <= i + near; k++) if (values[k] !== null) (sum += values[k]), n++;
    return sum / n;
  });
}

function even(low, high, most) {
  const raw = (high - low) / most || 1, ten = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 2.5, 5, 10].map((m) => m * ten).find((s) => s >= raw);
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-6; v += step) found.push(+v.toPrecision(10));
  return found;
}

function decades(low, high) {
  for (const parts of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]) {
    const found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) for (const m of parts) {
      const v = +(m * 10 ** e).toPrecision(6);
      if (v >= low && v <= high) found.push(v);
    }
    if (found.length >= 3) return found.length > 8 ? found.filter((_, i) => i % 2 === 0) : found;
  }
  return even(low, high, 4);
}
