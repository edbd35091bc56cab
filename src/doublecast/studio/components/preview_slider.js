// The preview sheets of all checkpoints: a slider through them, and two beside or over each other. See train_api.previews.
import { clock } from "/static/api.js";
import { watchJobs } from "/static/jobs.js";
import { trainPath, watchTrain } from "/static/train.js";

const ROWS = ["Actor", "Actor, drawn by the model", "Actor with the target’s face", "Target", "Target, drawn by the model", "Target with the actor’s face"];
const SHOWN = { l1: "colour", dssim: "structure", gradient: "edges" };
const MODES = ["off", "wipe", "side"];

export default {
  template: `
    <section v-if="train && (train.shown || !train.problem)" class="dc-card dc-previews" aria-labelledby="dc-previews-title">
      <div class="dc-row">
        <h2 id="dc-previews-title">Previews</h2>
        <span v-if="all.length" class="dc-dim">{{ all.length === 1 ? "one checkpoint" : all.length + " checkpoints" }}</span>
        <span class="dc-space"></span>
        <template v-if="all.length">
          <label class="dc-row"><input type="checkbox" v-model="following"> Follow the newest</label>
          <label class="dc-row">Compare <select v-model="mode" aria-label="Compare two checkpoints" :disabled="all.length < 2">
            <option value="off">off</option><option value="wipe">wipe</option><option value="side">side by side</option></select></label>
        </template>
      </div>
      <div v-if="!all.length" class="dc-empty">
        <span>{{ train.shown || training ? "The first preview comes with the first checkpoint, after a minute of training." : "Here you will see the faces get better. Press “Start training”." }}</span>
      </div>
      <template v-else>
        <div class="dc-slide">
          <button type="button" class="dc-button" aria-label="Preview before" :disabled="at <= 0" @click="go(at - 1)">‹</button>
          <label class="dc-grow"><span class="dc-hidden">{{ compare ? "Later checkpoint" : "Checkpoint" }}</span>
            <input type="range" min="0" :max="all.length - 1" :value="at" :aria-valuetext="words(now)" @input="go(+$event.target.value)"></label>
          <button type="button" class="dc-button" aria-label="Preview after" :disabled="at >= all.length - 1" @click="go(at + 1)">›</button>
          <output class="dc-value">{{ words(now) }}</output>
        </div>
        <div v-if="compare" class="dc-slide">
          <span class="dc-dim">beside</span>
          <label class="dc-grow"><span class="dc-hidden">Earlier checkpoint</span>
            <input type="range" min="0" :max="all.length - 1" :value="base" :aria-valuetext="words(before)" @input="other = all[+$event.target.value].step"></label>
          <output class="dc-value">{{ words(before) }}</output>
        </div>
        <p v-if="compare" class="dc-bought">{{ bought }}</p>
        <div v-if="compare && mode === 'wipe'" class="dc-slide">
          <span class="dc-dim">{{ minutes(before) }}</span>
          <label class="dc-grow"><span class="dc-hidden">Wipe between both</span><input type="range" min="0" max="100" v-model.number="wipe" :aria-valuetext="wipe + ' % of the earlier one'"></label>
          <span class="dc-dim">{{ minutes(now) }}</span>
        </div>
        <div class="dc-sheet" :class="{ 'dc-two': compare && mode === 'side' }">
          <ol class="dc-captions"><li v-for="row in rows" :key="row">{{ row }}</li></ol>
          <figure v-if="compare && mode === 'side'">
            <img :src="url(before)" :alt="alt(before)" draggable="false"><figcaption class="dc-dim">{{ words(before) }}</figcaption></figure>
          <figure>
            <div class="dc-stack">
              <img :src="url(now)" :alt="alt(now)" draggable="false">
              <img v-if="compare && mode === 'wipe'" class="dc-over" :src="url(before)" :alt="alt(before)" :style="{ clipPath: 'inset(0 ' + (100 - wipe) + '% 0 0)' }" draggable="false">
              <div v-if="compare && mode === 'wipe'" class="dc-edge" :style="{ left: wipe + '%' }" aria-hidden="true"></div>
            </div>
            <figcaption v-if="compare && mode === 'side'" class="dc-dim">{{ words(now) }}</figcaption></figure>
        </div>
      </template>
    </section>`,
  props: { production: String },
  data: () => ({ train: null, training: false, step: null, other: null, following: true, mode: "off", wipe: 50, rows: ROWS }),
  computed: {
    all() { return this.train?.previews || []; },
    at() { return this.following || this.step === null ? this.all.length - 1 : this.near(this.step); },
    now() { return this.all[this.at]; },
    compare() { return this.mode !== "off" && this.all.length > 1; },
    // Ten minutes earlier, or the first, unless one was chosen.
    base() {
      if (this.other !== null) return this.near(this.other);
      const early = this.all.findLastIndex((p) => p.seconds <= this.now.seconds - 570);
      return early >= 0 ? early : 0;
    },
    before() { return this.all[this.base]; },
    bought() {
      const a = this.before, b = this.now, more = b.seconds - a.seconds;
      if (a.step === b.step) return "Both are the same checkpoint: move one of the sliders.";
      const parts = Object.keys(b.losses).filter((name) => a.losses[name]).map((name) => {
        const change = 100 * (b.losses[name] / a.losses[name] - 1);
        return `${SHOWN[name] || name} ${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(Math.abs(change) < 10 ? 1 : 0)} %`;
      });
      const words = more >= 0 ? `${clock(more)} more minutes of training` : `${clock(-more)} minutes of training less`;
      return parts.length ? `${words}: loss of ${parts.join(", ")}.` : words + ".";
    },
  },
  watch: {
    following(now) { if (!now && this.step === null && this.now) this.step = this.now.step; },
    "train.shown"() { this.step = this.other = null; this.following = true; },
  },
  mounted() {
    this.ends = [
      watchTrain(this.production, (state) => (this.train = state)),
      watchJobs(this.production, ({ activity }) => (this.training = activity?.state === "running" && activity.stage === "train")),
    ];
    this.press = (event) => this.key(event);
    document.addEventListener("keydown", this.press);
  },
  unmounted() { this.ends.forEach((end) => end()); document.removeEventListener("keydown", this.press); },
  methods: {
    near(step) {
      const found = this.all.findLastIndex((p) => p.step <= step);
      return Math.max(0, found);
    },
    go(n) {
      n = Math.max(0, Math.min(this.all.length - 1, n));
      this.following = false;
      this.step = this.all[n].step;
      for (const k of [n - 1, n + 1]) if (this.all[k]) new Image().src = this.url(this.all[k]);
    },
    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.all.length) return;
      if (event.target.closest?.("input, textarea, select, dialog, [role=dialog]")) return;
      const steps = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0 };
      if (event.key in steps) this.go(steps[event.key]);
      else if (event.key === "End" || event.key === "n") this.following = true;
      else if (event.key === "c" && this.all.length > 1) this.mode = MODES[(MODES.indexOf(this.mode) + 1) % 3];
      else return;
      event.preventDefault();
    },
    url(p) { return trainPath(this.production, `/${encodeURIComponent(this.train.shown)}/previews/${p.step}.png?${p.mark}`); },
    minutes: (p) => clock(p.seconds),
    words(p) { return `${clock(p.seconds)} · step ${p.step.toLocaleString("en")}`; },
    alt(p) { return `Preview after ${clock(p.seconds)} minutes of training, step ${p.step}: ${ROWS.length} rows of faces, see the captions.`; },
  },
};
