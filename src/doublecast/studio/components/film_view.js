// The film page's viewer: before and after of a frame with a wipe, the timeline, and the settings of the look.
import { call, follow, clock } from "/static/api.js";
import { watchJobs } from "/static/jobs.js";
import timeline from "/static/film_timeline.js";
import { segments, at, within } from "/static/film_shots.js";
import { onLabel, setLabel, chosen, STYLES, CORNERS } from "/static/film_label.js";

const REST = 150; // milliseconds without another frame, after which the new face is drawn
const SAVE = 500; // milliseconds without another change, after which it is saved
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export default {
  components: { timeline },
  template: `
  <div class="film">
    <div v-if="problem" class="dc-problem" role="alert">{{ problem }}</div>
    <div v-if="loaded && !takes.length && !problem" class="dc-empty"><div>There is no take of the actor yet. Add the actor's and the target's takes first.</div>
      <a class="dc-button primary" :href="'/p/' + encodeURIComponent(production) + '/takes'">Add takes</a></div>
    <template v-if="takes.length">
      <div class="film-main">
        <section class="film-view" aria-label="Picture">
          <div class="film-head">
            <label v-if="takes.length > 1">Take <select :value="key" @change="choose($event.target.value)">
              <option v-for="t in takes" :key="t.key" :value="t.key">{{ t.name }}</option></select></label>
            <span v-else class="film-take">{{ take.name }}</span>
            <span class="dc-dim film-time">frame {{ index }} of {{ frames - 1 }}{{ time }}</span>
            <span class="dc-space"></span>
            <button type="button" class="dc-button" :aria-pressed="held ? 'true' : 'false'" @pointerdown="hold(true)" @pointerup="hold(false)" @pointerleave="hold(false)"
                    @keydown.space.prevent="hold(true)" @keyup.space.prevent="hold(false)" @keydown.enter.prevent="hold(!held)" @blur="hold(false)">Hold to see the actor</button>
          </div>
          <div class="film-stage" ref="stage" :style="{ aspectRatio: take.width + ' / ' + take.height, maxWidth: 'calc(62vh * ' + take.width / take.height + ')' }" @pointerdown="drag">
            <canvas ref="before" role="img" :aria-label="'Frame ' + index + ', the actor'"></canvas>
            <canvas ref="after" role="img" :aria-label="'Frame ' + index + ', with the new face (altered, labelled)'" v-show="fresh && !held" :style="{ clipPath: 'inset(0 0 0 ' + wipe + '%)' }"></canvas>
            <span class="film-tag left" v-show="!fresh || held || wipe > 12">Actor</span>
            <span class="film-tag right" v-show="fresh && !held && wipe < 88">New face · altered</span>
            <div v-show="fresh && !held" class="film-wipe" role="slider" tabindex="0" aria-label="Wipe between actor and new face" aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100"
                 :aria-valuenow="Math.round(wipe)" :aria-valuetext="Math.round(wipe) + ' % actor'" :style="{ left: wipe + '%' }" @keydown="wipeKey"><span aria-hidden="true">⇔</span></div>
            <div v-if="trouble" class="film-trouble"><div class="dc-problem" role="alert">{{ trouble.error }}</div>
              <div class="dc-row"><a v-if="next" class="dc-button primary" :href="next[1]">{{ next[0] }}</a>
              <button v-if="!trouble.still" type="button" class="dc-button" @click="again">Try again</button></div></div>
            <div v-else-if="waiting" class="film-waiting">{{ waiting }}</div>
          </div>
          <div class="dc-hidden" aria-live="polite">{{ waiting }}</div>
          <div class="film-notes">
            <span v-if="training" class="dc-warn">{{ training }}</span>
            <span v-if="newer">A newer model is there. <button type="button" class="dc-button" @click="ask(true)">Show it</button></span>
            <span v-if="fresh && told.faces === 0" class="dc-dim">The actor is not in this frame; nothing is replaced.</span>
          </div>
          <timeline ref="line" :production="production" :take="key" :frames="frames" :index="index" :segments="parts" :faces="faces" :scope="scope" @seek="seek" @pick="pick"></timeline>
          <div class="film-tools">
            <button type="button" class="dc-button" @click="go(-1)" :disabled="!index" aria-label="One frame back">‹ Frame</button>
            <button type="button" class="dc-button" @click="go(1)" :disabled="index >= frames - 1" aria-label="One frame on">Frame ›</button>
            <button type="button" class="dc-button" @click="shot(-1)" :disabled="!index" aria-label="Shot before">« Shot</button>
            <button type="button" class="dc-button" @click="shot(1)" :disabled="here.end >= frames" aria-label="Shot after">Shot »</button>
            <span class="dc-space"></span>
            <button type="button" class="dc-button" @click="split" :disabled="here.start === index">Split shot here</button>
            <span v-if="finding" class="dc-dim" role="status">looking for cuts…</span>
          </div>
        </section>
        <section class="film-settings dc-card" aria-label="Look">
          <fieldset class="film-scope"><legend>These settings are for</legend>
            <label><input type="radio" name="film-scope" value="film" :checked="scope === 'film'" @change="setScope('film')"> the whole film</label>
            <label><input type="radio" name="film-scope" value="shot" :checked="scope === 'shot'" @change="setScope('shot')"> this shot only <span class="dc-dim">(frames {{ here.start }} to {{ here.end - 1 }})</span></label>
            <p v-if="here.look && scope === 'film'" class="dc-warn">This shot has a look of its own, which the film keeps here. You see the whole film's.</p>
            <p v-if="here.look"><span class="film-mark">◆ own look</span> <button type="button" class="dc-button" @click="remove">Remove, back to the whole film's</button></p>
          </fieldset>
          <div v-for="s in settings" :key="s.name" class="film-setting">
            <div class="dc-row"><label :for="'film-' + s.name">{{ s.title }}</label><span class="dc-space"></span><output :for="'film-' + s.name">{{ shown(look[s.name]) }}</output>
              <button type="button" class="film-reset" :disabled="look[s.name] === normal(s)" :aria-label="'Reset ' + s.title + ' to ' + shown(normal(s))" :title="'Reset to ' + shown(normal(s))" @click="change(s.name, normal(s))">↺</button></div>
            <input :id="'film-' + s.name" type="range" :min="s.low" :max="s.high" :step="s.step" :value="look[s.name]" :aria-describedby="'film-help-' + s.name" @input="change(s.name, +$event.target.value)">
            <p :id="'film-help-' + s.name" class="dc-dim film-help">{{ s.help }}</p>
          </div>
          <p class="dc-dim film-saved" role="status">{{ saved }}</p>
          <div v-if="error" class="dc-problem" role="alert">{{ error }}</div>
          <h2>Label</h2>
          <div class="film-label">
            <label>Style <select :value="label.style" @change="setLabel({ style: $event.target.value })"><option v-for="s in labels.styles" :key="s" :value="s">{{ STYLES[s] || s }}</option></select></label>
            <label>Place <select :value="label.corner || ''" :disabled="label.style === 'none'" @change="setLabel({ corner: $event.target.value || null })"><option value="">Where no face comes</option><option v-for="c in labels.corners" :key="c" :value="c">{{ CORNERS[c] || c }}</option></select></label>
            <label>Language <select :value="label.language || ''" :disabled="!!label.text || label.style === 'none'" @change="setLabel({ language: $event.target.value || null })"><option value="">English: {{ labels.languages.en }}</option><option v-for="(w, l) in others" :key="l" :value="l">{{ l }}: {{ w }}</option></select></label>
            <label>Own words instead <input type="text" maxlength="60" :value="label.text || ''" :disabled="label.style === 'none'" @change="setLabel({ text: $event.target.value.trim() || null })"></label>
          </div>
          <p v-if="label.style === 'none'" class="dc-warn">The film will have no visible label; credentials and watermark stay and say so. This preview keeps one.</p>
        </section>
      </div>
    </template>
  </div>`,
  props: { production: String },
  data: () => ({ loaded: false, problem: "", takes: [], key: "", model: null, settings: [], looks: { usual: {}, shots: [], revision: 0 }, labels: { styles: [], corners: [], languages: {} },
    index: 0, shots: [], faces: [], splits: {}, finding: false, scope: "film", dirty: {}, wipe: 50, held: false, fresh: false, told: {}, newer: false, trouble: null, waiting: "", training: "", error: "", saved: "", label: {}, STYLES, CORNERS }),
  computed: {
    take() { return this.takes.find((t) => t.key === this.key); },
    frames() { return Math.max(1, this.take?.frames || this.shots.at(-1)?.end || 1); },
    time() { return this.take.fps ? ` · ${clock(this.index / this.take.fps)} of ${clock(this.frames / this.take.fps)}` : ""; },
    own() { return this.looks.shots.filter((s) => s.take === this.key).map((s) => ({ ...s, end: Math.min(s.end, this.frames) })); },
    parts() { return segments(this.frames, this.shots, this.own, this.splits[this.key] || []); },
    here() { return at(this.parts, this.index) || { start: 0, end: this.frames, look: null }; },
    base() { return this.scope === "shot" && this.here.look ? this.here.look : this.looks.usual; },
    look() { return { ...this.base, ...this.dirty }; },
    others() { return Object.fromEntries(Object.entries(this.labels.languages).filter(([l]) => l !== "en")); },
    next() {
      const base = "/p/" + encodeURIComponent(this.production);
      if (this.trouble?.kind === "ConsentError") return ["Productions: record consent", "/"];
      if (/model|not checked/.test(this.trouble?.error || "")) return ["Train the model", base + "/train"];
      return null;
    },
  },
  watch: {
    "here.start"() { // another shot: what was changed belongs to the one before
      this.scope = this.here.look ? "shot" : "film";
    },
  },
  async mounted() {
    this.client = Math.random().toString(36).slice(2);
    this.number = 0;
    this.pace = 1000; // milliseconds that the last new frame took
    this.ends = [
      onLabel((values) => { this.label = values; if (this.take) this.ask(); }),
      follow(this.production, (kinds) => this.heard(kinds)),
      watchJobs(this.production, (state) => {
        const runs = state.activity?.state === "running" && state.activity.command;
        this.training = runs ? `${runs === "train" || runs === "swap" ? "Training runs" : "Work runs"} in this production: pictures come slower.` : "";
      }),
    ];
    this.keys = (event) => this.key_(event);
    this.leave = () => this.flush(true);
    document.addEventListener("keydown", this.keys);
    document.addEventListener("keyup", this.keys);
    window.addEventListener("pagehide", this.leave);
    await this.load();
  },
  unmounted() {
    this.ends.forEach((end) => end());
    document.removeEventListener("keydown", this.keys);
    document.removeEventListener("keyup", this.keys);
    window.removeEventListener("pagehide", this.leave);
    this.flush(true);
    this.flight?.abort.abort();
  },
  methods: {
    setLabel,
    path(rest) { return `/api/p/${encodeURIComponent(this.production)}/${rest}`; },
    shown(value) { return value === undefined ? "" : (+value.toFixed(3)).toString().replace("-", "−"); },
    normal(s) { return this.scope === "shot" ? this.looks.usual[s.name] : s.default; },
    async load() {
      try {
        const state = await call(this.path("film"));
        this.problem = state.takes_problem;
        Object.assign(this, { takes: state.takes, settings: state.settings, looks: state.looks, labels: state.label, model: state.model, consent: state.consent_problem });
        if (this.takes.length && !this.take) this.choose(this.takes[0].key);
        else if (this.take) this.ask();
      } catch (error) { this.problem = error.message; }
      this.loaded = true;
    },
    async heard(kinds) {
      if (["record", "models", "consent", "reconnected", "curation", "faces"].some((k) => kinds.has(k))) {
        clearTimeout(this.reload);
        const known = this.model;
        this.reload = setTimeout(() => { if (!known || this.trouble || !kinds.has("models")) this.load(); else this.stale(); }, 400);
      }
      if (kinds.has("look") || kinds.has("reconnected")) {
        try { this.adopt(await call(this.path("looks"))); } catch (error) { this.error = error.message; }
      }
    },
    stale() { if (this.fresh) this.ask(); }, // its answer says whether there is a newer model
    adopt(looks) {
      if (looks.revision < this.looks.revision) return;
      const before = this.look;
      this.looks = looks;
      if (!same(before, this.look)) this.ask();
    },
    async choose(key) {
      this.flush();
      Object.assign(this, { key, index: 0, shots: [], faces: [], fresh: false, scope: "film", finding: true });
      this.$nextTick(() => this.display());
      try {
        const found = await call(this.path("shots?take=" + encodeURIComponent(key)));
        if (key !== this.key) return;
        Object.assign(this, { shots: found.shots, faces: found.faces });
        const first = found.faces[0]?.[0] || 0;
        if (!this.index && first) this.seek(first, false);
      } catch (error) { if (key === this.key) this.problem = error.message; }
      if (key === this.key) this.finding = false;
    },
    // where

    seek(index, moving) {
      index = Math.max(0, Math.min(this.frames - 1, index));
      if (index === this.index && moving) return;
      const changed = index !== this.index;
      if (changed && (index < this.here.start || index >= this.here.end)) this.flush();
      this.index = index;
      if (changed || !this.fresh) this.display();
    },
    go(by) { this.seek(this.index + by, true); },
    shot(by) {
      const n = this.parts.indexOf(this.here);
      const to = by < 0 && this.index > this.here.start ? this.here : this.parts[n + by];
      if (to) this.seek(to.start, false);
    },
    pick(part) {
      if (this.index < part.start || this.index >= part.end) this.seek(part.start, false);
      this.$nextTick(() => this.setScope("shot"));
    },
    split() {
      if (this.here.start === this.index) return;
      this.flush();
      this.splits = { ...this.splits, [this.key]: [...(this.splits[this.key] || []), this.index] };
      this.$nextTick(() => this.setScope("shot"));
    },
    setScope(scope) {
      if (scope === this.scope) return;
      this.flush();
      this.scope = scope;
      this.ask();
    },
    key_(e) {
      const t = e.target, scrub = t.classList?.contains("film-scrub");
      if (!this.take || e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
      if (!scrub && t.closest?.("input, textarea, select, video, iframe, [role=slider], [contenteditable=true]")) return;
      if (e.key === " ") {
        if (t.closest?.("button, a, summary")) return;
        e.preventDefault();
        return this.hold(e.type === "keydown");
      }
      if (e.type !== "keydown") return;
      const step = e.shiftKey ? 10 : 1;
      const does = {
        ArrowLeft: () => this.go(-step), ArrowRight: () => this.go(step), Home: () => this.seek(0, true), End: () => this.seek(this.frames - 1, true),
        "[": () => this.shot(-1), "]": () => this.shot(1), ArrowUp: () => this.shot(-1), ArrowDown: () => this.shot(1),
        w: () => (this.wipe = this.wipe === 50 ? 0 : this.wipe ? 50 : 100), s: () => this.split(),
      }[e.key];
      const scrolls = (e.key === "ArrowUp" || e.key === "ArrowDown") && t !== document.body && !t.closest?.(".film");
      if (!does || scrolls) return;
      e.preventDefault();
      does();
    },
    hold(on) { this.held = on; },
    // the wipe

    drag(e) {
      if (!this.fresh || e.button || e.target.closest("button, a")) return;
      const stage = this.$refs.stage, box = stage.getBoundingClientRect();
      const move = (at) => (this.wipe = Math.max(0, Math.min(100, ((at.clientX - box.left) / box.width) * 100)));
      const end = () => { stage.removeEventListener("pointermove", move); stage.removeEventListener("pointerup", end); stage.removeEventListener("pointercancel", end); };
      stage.setPointerCapture(e.pointerId);
      stage.addEventListener("pointermove", move);
      stage.addEventListener("pointerup", end);
      stage.addEventListener("pointercancel", end);
      move(e);
    },
    wipeKey(e) {
      const by = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[e.key];
      if (!by) return;
      e.preventDefault();
      this.wipe = Math.max(0, Math.min(100, this.wipe + by));
    },
    // pictures

    display() { // another frame: the plain one first where the new face is slow, the new face when it rests
      this.fresh = false;
      this.trouble = null;
      this.flight?.abort.abort();
      this.flight = this.then = null;
      if (this.pace > REST || !this.model) this.plain();
      clearTimeout(this.resting);
      this.resting = setTimeout(() => this.ask(), this.pace > REST ? REST : 0);
    },
    async plain() {
      if (this.plainly) return void (this.plainAgain = true);
      this.plainly = true;
      do {
        this.plainAgain = false;
        const { key, index } = this;
        try {
          const answer = await call(this.path(`frame?take=${encodeURIComponent(key)}&index=${index}&width=640`));
          const picture = await createImageBitmap(await answer.blob());
          if (!this.fresh && key === this.key && Math.abs(index - this.index) < 50) this.draw(this.$refs.before, picture);
        } catch (error) { if (index === this.index) this.trouble = { error: error.message }; }
      } while (this.plainAgain);
      this.plainly = false;
    },
    again() { this.trouble = null; this.ask(); },
    async ask(newest = false) {
      if (!this.take || !this.settings.length) return;
      if (!this.model) {
        this.trouble = { error: "There is no model yet, so no new face to see. Train one first; the takes can be looked at meanwhile.", still: true };
        return;
      }
      if (this.consent) {
        this.trouble = { error: this.consent, kind: "ConsentError", still: true };
        return;
      }
      const wanted = { key: this.key, index: this.index, look: { ...this.look }, label: chosen(this.label), newest };
      if (this.flight) { // of this frame: let it come, the newest follows; of another one: nobody waits for it
        if (this.flight.key === wanted.key && this.flight.index === wanted.index) return void (this.then = wanted);
        this.flight.abort.abort();
      }
      await this.fetch(wanted);
    },
    async fetch(wanted) {
      const begun = performance.now(), flight = { ...wanted, abort: new AbortController() };
      const known = this.fresh && this.drawn === `${wanted.key} ${wanted.index} ${wanted.newest}`;
      this.flight = flight;
      const slow = setTimeout(() => { if (this.flight === flight) this.waiting = this.pace === 1000 ? "The preview is being prepared; the first picture takes some seconds…" : "Drawing the new face…"; }, 400);
      try {
        const query = new URLSearchParams({ take: wanted.key, index: wanted.index, look: JSON.stringify(wanted.look), label: JSON.stringify(wanted.label),
          newest: wanted.newest, before: !known, client: this.client, number: ++this.number });
        const answer = await fetch(this.path("preview?" + query), { signal: flight.abort.signal });
        if (answer.status === 204) return;
        if (!answer.ok) {
          const told = await answer.json().catch(() => ({ error: `The studio answered ${answer.status} ${answer.statusText}` }));
          if (this.flight === flight) { this.trouble = told; this.fresh = false; }
          return;
        }
        const told = JSON.parse(answer.headers.get("x-preview")), body = await answer.blob();
        const pictures = await Promise.all([known ? null : createImageBitmap(body.slice(0, told.before)), createImageBitmap(body.slice(told.before))]);
        if (this.flight !== flight || wanted.key !== this.key || wanted.index !== this.index) return;
        if (pictures[0]) this.draw(this.$refs.before, pictures[0]);
        this.draw(this.$refs.after, pictures[1]);
        Object.assign(this, { fresh: true, trouble: null, told, newer: told.newer });
        this.drawn = `${wanted.key} ${wanted.index} false`;
        const spent = performance.now() - begun;
        if (!known) this.pace = spent;
        this.painted(wanted, spent, told);
      } catch (error) {
        if (error.name !== "AbortError" && this.flight === flight) this.trouble = { error: `${error.message}. Is the studio still running?` };
      } finally {
        clearTimeout(slow);
        if (this.flight === flight) {
          this.flight = null;
          this.waiting = "";
          const then = this.then;
          this.then = null;
          if (then && then.key === this.key && then.index === this.index) this.fetch(then);
        }
      }
    },
    draw(canvas, picture) {
      if (canvas.width !== picture.width || canvas.height !== picture.height) Object.assign(canvas, { width: picture.width, height: picture.height });
      canvas.getContext("2d").drawImage(picture, 0, 0);
      picture.close();
    },
    painted(wanted, spent, told) { // told after the browser has painted it: tools/studio/film_speed.py measures with it
      requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
          channel.port1.close();
          this.$el.dispatchEvent(new CustomEvent("painted", { detail: { index: wanted.index, look: { ...wanted.look }, spent, seconds: told.seconds, at: performance.now() } }));
        };
        channel.port2.postMessage(0);
      });
    },
    // the look

    change(name, value) {
      this.dirty = { ...this.dirty, [name]: value };
      this.saved = "";
      this.ask();
      clearTimeout(this.saving);
      this.saving = setTimeout(() => this.flush(), SAVE);
    },
    async flush(leaving = false) { // saves what was changed, for what it was changed for
      clearTimeout(this.saving);
      if (!Object.keys(this.dirty).length) return;
      const changes = this.dirty, shot = this.scope === "shot" ? { take: this.key, start: this.here.start, end: this.here.end } : null;
      this.looks = shot // at once here, so that nothing jumps back
        ? { ...this.looks, shots: [{ ...shot, look: this.look }, ...this.looks.shots] }
        : { ...this.looks, usual: this.look };
      this.dirty = {};
      await this.put(shot ? "looks/shot" : "looks", { ...shot, changes }, leaving);
    },
    async put(where, body, leaving = false) {
      if (leaving) {
        fetch(this.path(where), { method: "PUT", keepalive: true, headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).catch(() => {});
        return;
      }
      try {
        this.error = "";
        this.adopt(await call(this.path(where), { method: "PUT", body }));
        this.saved = "Saved.";
      } catch (error) {
        this.error = error.message;
        try { this.looks = await call(this.path("looks")); } catch { /* told already */ }
      }
    },
    async remove() {
      this.dirty = {};
      const { start, end } = this.here;
      await this.put("looks/shot", { take: this.key, start, end, changes: null });
      this.scope = "film";
      this.ask();
    },
  },
};
