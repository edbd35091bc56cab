// Budget, size and start of a training; what is spent already. See train_api.begin.
import { call, clock } from "/static/api.js";
import { pauseNow, refreshJobs, watchJobs } from "/static/jobs.js";
import { chooseModel, refreshTrain, trainPath, watchTrain } from "/static/train.js";

const SIZES = [
  [96, "A first look within minutes; soft where the face is large."],
  [128, "The usual choice, for faces up to about 250 pixels high."],
  [192, "Finer skin and eyes, the usual choice for close-ups; about half as long again as 128."],
  [256, "Finest, for large close-ups; about four times the minutes of 128, better with a graphics card."],
];
const DEVICES = { auto: "Automatic", cpu: "Processor", cuda: "Graphics card (CUDA)", mps: "Graphics card (Apple)" };
const TRAINING = ["train", "swap"]; // jobs with a budget of training
const MORE = 10;
const round = (minutes) => Math.ceil(minutes * 10 - 1e-6) / 10;

export default {
  template: `
    <section class="dc-card dc-control" aria-label="Training">
      <div v-if="!train" class="dc-dim">Looking…</div>
      <template v-else>
        <h2>{{ heading }}</h2>
        <div v-if="train.problem" class="dc-empty">
          <span>{{ noFaces }}</span>
          <a class="dc-button" :class="{ primary: !running }" :href="faces">{{ running ? "See the faces" : "Go to Faces" }}</a>
          <details><summary>In the command line's words</summary><span class="dc-code">{{ train.problem }}</span></details>
        </div>
        <form v-else @submit.prevent="start(minutes)">
          <p class="dc-dim">{{ status }}</p>
          <div class="dc-row dc-budget">
            <label for="dc-minutes">Minutes in all</label>
            <input id="dc-minutes" type="number" min="0.1" step="any" required v-model.number="minutes" @input="dirty = true"
                   aria-describedby="dc-budget-words">
          </div>
          <p id="dc-budget-words" class="dc-dim">{{ budget }}</p>
          <fieldset>
            <legend>Size</legend>
            <label v-for="[side, words] in sizes" :key="side" class="dc-size">
              <input type="radio" name="dc-size" :value="side" v-model="size" @change="choose">
              <span><strong>{{ side }} px</strong> <span class="dc-dim">{{ words }}</span></span>
            </label>
          </fieldset>
          <details>
            <summary>Advanced</summary>
            <label class="dc-size"><input type="checkbox" v-model="prior" @change="choose">
              <span><strong>Start from trained weights</strong> <span class="dc-dim">The package's weights have seen many people,
              so the film is good much sooner. Without them training starts from nothing, in a model of its own.</span></span></label>
            <div class="dc-row"><label for="dc-device">Where</label>
              <select id="dc-device" v-model="device" @change="dirty = true"><option v-for="(words, key) in devices" :key="key" :value="key">{{ words }}</option></select></div>
          </details>
          <div class="dc-row">
            <button v-if="!training || queueable" type="submit" class="dc-button primary" :disabled="busy || spentAll">{{ action }}</button>
            <button v-if="training" type="button" class="dc-button" :disabled="busy || work.pausing" @click="pause">{{ work.pausing ? "Pausing…" : "Pause training" }}</button>
            <button v-if="model.seconds || training" type="button" class="dc-button" :disabled="busy" @click="start(moreMinutes)">{{ more }} more minutes</button>
          </div>
        </form>
        <div v-if="error" class="dc-problem" role="alert">{{ error }}</div>
        <div class="dc-row" v-if="trained.length > 1">
          <label for="dc-model">Show</label>
          <select id="dc-model" :value="train.shown" @change="show($event.target.value)">
            <option v-for="m in trained" :key="m.name" :value="m.name">{{ describe(m) }}</option>
          </select>
        </div>
        <div class="dc-hidden" aria-live="polite">{{ told }}</div>
      </template>
    </section>`,
  props: { production: String },
  data: () => ({
    train: null, work: null, minutes: MORE, size: 128, prior: true, device: "auto", dirty: false, first: true, busy: false,
    error: "", told: "", sizes: SIZES, devices: DEVICES, more: MORE,
  }),
  computed: {
    faces() { return `/p/${encodeURIComponent(this.production)}/faces`; },
    usual() { return this.train?.usual.size || 128; },
    activity() { return this.work?.activity; },
    running() { return this.activity?.state === "running"; },
    training() { return this.running && (this.activity.command === "train" || this.activity.stage === "train"); },
    jobs() { return this.work?.jobs || []; },
    paused() { return this.jobs.filter((job) => job.kind === "train" && job.state === "paused").at(-1); },
    trained() { return (this.train?.models || []).filter((m) => m.seconds > 0); },
    // The model that these settings go on with, or what a new one has.
    model() {
      const found = (this.train?.models || []).find((m) => m.size === this.size && m.prior === this.prior);
      return found || { seconds: 0, step: 0 };
    },
    // Minutes that are spent, as far as it is told while it runs.
    spent() {
      const a = this.activity, same = this.train && this.train.shown === this.model.name;
      const live = this.training && same && a.stage === "train" && a.unit === "minutes" ? a.done : 0;
      return Math.max(live, this.model.seconds / 60);
    },
    spentAll() { return !(this.minutes > 0) || this.minutes * 60 <= this.spent * 60 + 0.5; },
    queueable() { return this.minutes > this.aim; },
    // The largest budget that runs or waits.
    aim() {
      const now = this.training && this.activity.unit === "minutes" ? this.activity.total || 0 : 0;
      const waiting = this.jobs.filter((j) => TRAINING.includes(j.kind) && ["waiting", "running"].includes(j.state) && (j.options.size || this.usual) === this.size);
      return Math.max(now, ...waiting.map((j) => j.options.minutes || 10));
    },
    moreMinutes() { return round(Math.max(this.spent, this.aim) + MORE); },
    heading() { return this.training ? "Training runs" : this.paused && !this.running ? "Training is paused" : "Training"; },
    status() {
      if (this.training) return "It goes on when this page or the studio is closed. A checkpoint is written every minute, and when you pause.";
      if (this.running) return "Something else runs now; a training that you start waits for it.";
      if (this.paused) return "What was learnt is kept. Go on whenever you like.";
      if (this.model.seconds) return "Trained. More minutes make it better, less and less: compare the previews.";
      return "Nothing is trained with these settings yet. Press “Start training”; the first preview comes after a minute.";
    },
    budget() {
      if (!this.spent) return "Counted over all runs: you can pause and go on.";
      const words = `Already spent: ${clock(this.spent * 60)}. `;
      return words + (this.spentAll ? "Choose more minutes to go on." : `Left: ${clock((this.minutes - this.spent) * 60)}.`);
    },
    action() {
      if (this.training) return `Go on to ${this.minutes || "…"} minutes after this`;
      if (this.running) return "Train after that";
      if (this.paused && this.spent) return "Resume";
      return this.spent ? "Go on training" : "Start training";
    },
    noFaces() { return this.running ? "The faces are being found and sorted. Training comes after that." : "There are no faces to train on yet, or they are not sorted: find the faces of the actor and of the target first."; },
  },
  watch: {
    training(now) {
      this.told = now ? "Training runs" : "Training has ended or is paused";
    },
  },
  mounted() {
    this.ends = [
      watchTrain(this.production, (state) => { this.train = state; this.fill(); }),
      watchJobs(this.production, (state) => { this.work = state; this.fill(); }),
    ];
  },
  unmounted() { this.ends.forEach((end) => end()); },
  methods: {
    describe(m) {
      const start = m.prior === null ? ", of other takes or people" : m.prior ? "" : ", from nothing";
      return `${m.size} px${start}: ${clock(m.seconds)}`;
    },
    // The fields follow what is there until somebody changes them.
    fill() {
      if (!this.train || !this.work || this.dirty) return;
      const last = this.paused || this.jobs.filter((job) => TRAINING.includes(job.kind) && job.state === "running").at(-1);
      const shown = this.train.models.find((m) => m.name === this.train.shown && m.prior !== null);
      if (last) {
        this.size = last.options.size || this.usual;
        this.prior = last.options.prior !== false;
        this.device = last.options.device || "auto";
      } else if (this.first) [this.size, this.prior] = shown ? [shown.size, shown.prior] : [this.usual, true];
      this.first = false;
      this.suggest(last?.options.minutes);
    },
    suggest(minutes) {
      const a = this.activity, told = a && a.stage === "train" && a.unit === "minutes" ? a.total : 0;
      const known = minutes || (a?.state !== "finished" && told) || 0;
      this.minutes = known > this.spent || this.training ? round(known || this.aim) || "" : round(this.spent + MORE);
    },
    choose() {
      this.dirty = true;
      this.suggest();
      if (this.model.seconds) this.show(this.model.name);
    },
    show(name) { chooseModel(this.production, name); },
    async attempt(what) {
      this.busy = true;
      this.error = "";
      try { await what(); } catch (error) { this.error = error.message; }
      this.busy = false;
    },
    start(minutes) {
      return this.attempt(async () => {
        const body = { minutes, size: this.size, prior: this.prior, device: this.device };
        await call(trainPath(this.production, "/start"), { method: "POST", body });
        this.minutes = minutes;
        this.dirty = false;
        chooseModel(this.production, null);
        await Promise.all([refreshJobs(this.production), refreshTrain(this.production)]);
      });
    },
    pause() { return this.attempt(() => pauseNow(this.production, this.work)); },
  },
};
