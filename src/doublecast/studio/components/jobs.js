// What runs now (stage, bar, rate, time left), and what waits, was paused or failed; with buttons. See jobs_panel.py.
import { call, clock } from "/static/api.js";
import { pauseNow, refreshJobs, runningJob, watchJobs } from "/static/jobs.js";

const TITLES = { swap: "The whole film", extract: "Find faces", curate: "Sort faces", train: "Train", convert: "Make the film" };
const STATES = { waiting: "waits", running: "runs", paused: "paused", done: "done", failed: "failed", cancelled: "cancelled" };
const OPEN = ["waiting", "running", "paused", "failed"];
const ENDED = { finished: "finished", stopped: "was paused", failed: "failed", killed: "was ended from outside" };
const number = (value, unit) => (unit === "minutes" ? value.toFixed(1) : Math.round(value).toLocaleString("en"));

export default {
  template: `
    <section class="dc-jobs dc-card" :aria-label="heading">
      <h2>{{ heading }}</h2>
      <div v-if="state && state.error" class="dc-problem" role="alert">{{ state.error }}</div>
      <div v-if="running" class="dc-now">
        <div class="dc-row">
          <strong>{{ words(activity.command) }}</strong>
          <span class="dc-dim" v-if="activity.stage && activity.stage !== activity.command">{{ activity.stage }}</span>
          <span class="dc-space"></span>
          <button type="button" class="dc-button" :disabled="state.pausing" @click="pause">{{ state.pausing ? "Pausing…" : "Pause" }}</button>
        </div>
        <div class="dc-bar" role="progressbar" :aria-label="words(activity.command)" aria-valuemin="0" aria-valuemax="100"
             :aria-valuenow="share === null ? undefined : Math.round(share * 100)" :aria-valuetext="numbers">
          <div :class="{ 'dc-unknown': share === null }" :style="{ width: share === null ? '25%' : share * 100 + '%' }"></div>
        </div>
        <div class="dc-row dc-dim dc-numbers"><span>{{ numbers }}</span><span>{{ more }}</span></div>
      </div>
      <p v-else-if="state && !open.length" class="dc-dim dc-last">{{ last }}</p>
      <div v-if="activity && activity.error && !failed" class="dc-problem" role="alert">{{ activity.error }}</div>
      <ul v-if="warnings.length" class="dc-notes">
        <li v-for="(note, n) in warnings" :key="n" class="dc-warn">{{ note[2] }}</li>
      </ul>
      <ol v-if="open.length" class="dc-queue" aria-label="Queue">
        <li v-for="job in open" :key="job.id">
          <div class="dc-row">
            <span><strong>{{ title(job) }}</strong> <span class="dc-dim">{{ detail(job) }}</span></span>
            <span :class="job.state === 'failed' ? 'dc-bad' : 'dc-dim'">{{ states[job.state] }}</span>
            <span class="dc-space"></span>
            <button v-if="job.state === 'running' && !running" type="button" class="dc-button" :disabled="busy"
                    :aria-label="'Pause: ' + title(job)" @click="act(job, 'pause')">Pause</button>
            <button v-if="job.state === 'paused' || job.state === 'failed'" type="button" class="dc-button" :disabled="busy"
                    :aria-label="(job.state === 'failed' ? 'Try again: ' : 'Resume: ') + title(job)"
                    @click="act(job, 'resume')">{{ job.state === 'failed' ? "Try again" : "Resume" }}</button>
            <button type="button" class="dc-button" :disabled="busy" :aria-label="(job.state === 'failed' ? 'Dismiss: ' : 'Cancel: ') + title(job)"
                    @click="act(job, 'cancel')">{{ job.state === 'failed' ? "Dismiss" : "Cancel" }}</button>
          </div>
          <div v-if="job.error" class="dc-problem" role="alert">{{ job.error }}</div>
        </li>
      </ol>
      <div v-if="error" class="dc-problem" role="alert">{{ error }}</div>
      <div class="dc-hidden" aria-live="polite">{{ spoken }}</div>
    </section>`,
  props: { production: String, heading: { type: String, default: "Work" } },
  data: () => ({ state: null, busy: false, error: "", spoken: "", states: STATES, said: 0 }),
  computed: {
    activity() { return this.state?.activity; },
    running() { return this.activity?.state === "running"; },
    open() { return (this.state?.jobs || []).filter((job) => OPEN.includes(job.state) && !(job.state === "running" && this.running)); },
    failed() { return (this.state?.jobs || []).some((job) => job.error === this.activity.error); }, // told there, or dismissed
    warnings() { return this.running ? this.activity.notes.filter((note) => note[0] === "warning").slice(-3) : []; },
    share() {
      const a = this.activity;
      return a && a.total ? Math.min(1, a.done / a.total) : null;
    },
    numbers() {
      const a = this.activity;
      if (!a) return "";
      const parts = a.unit && (a.total || a.done) ? [number(a.done, a.unit) + (a.total ? " of " + number(a.total, a.unit) : "") + " " + a.unit] : [];
      if (a.rate && a.unit !== "minutes") parts.push(`${a.rate >= 10 ? Math.round(a.rate) : a.rate.toFixed(1)} ${a.unit}/s`);
      if (a.seconds_left) parts.push(`${clock(a.seconds_left)} left`);
      return parts.join(" · ") || "beginning";
    },
    more() { return (this.activity?.detail || "").split("  ").slice(0, 2).join(" · "); }, // of training: rate and step
    last() {
      const a = this.activity;
      return a ? `Nothing runs. Last: ${this.words(a.command)}, ${ENDED[a.state] || a.state} ${when(a.updated)}.` : "Nothing runs and nothing waits.";
    },
  },
  watch: {
    running(now) {
      this.spoken = now ? `${this.words(this.activity.command)} runs` : this.activity ? this.last : "";
    },
    numbers() { // not every second: at most every 30
      if (!this.running || Date.now() - this.said < 30000) return;
      this.said = Date.now();
      this.spoken = this.numbers;
    },
  },
  mounted() { this.end = watchJobs(this.production, (state) => (this.state = state)); },
  unmounted() { this.end(); },
  methods: {
    words(command) { return TITLES[command] || command; },
    title(job) { return TITLES[job.kind] || job.kind; },
    detail(job) {
      const o = job.options, parts = [];
      if (job.kind === "train" && o.minutes) parts.push(`to ${+o.minutes.toFixed(1)} minutes in all`);
      if (o.size) parts.push(`${o.size} px`);
      if (o.side) parts.push(o.side);
      if (o.output) parts.push(String(o.output).split(/[\\\\/]/).pop());
      return parts.join(", ");
    },
    async attempt(what) {
      this.busy = true;
      this.error = "";
      try { await what(); } catch (error) { this.error = error.message; }
      this.busy = false;
    },
    act(job, what) {
      return this.attempt(async () => {
        await call(`/api/p/${encodeURIComponent(this.production)}/jobs/${encodeURIComponent(job.id)}/${what}`, { method: "POST" });
        await refreshJobs(this.production);
      });
    },
    pause() { return this.attempt(() => pauseNow(this.production, this.state)); },
  },
};

function when(utc) {
  const time = new Date(utc);
  if (isNaN(time)) return "";
  const today = time.toDateString() === new Date().toDateString();
  return today ? "at " + time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "on " + time.toLocaleDateString();
}
