// The order to make the film, and the finished films: each plays here, with its report and its verdict. See films.py.
import { call, follow } from "/static/api.js";
import { isBusy, refreshJobs, watchJobs } from "/static/jobs.js";
import { onLabel, chosen, STYLES, CORNERS } from "/static/film_label.js";

const FORMATS = { mp4: "MP4 (H.264, with sound)", mov: "MOV (H.264, with sound)", mkv: "MKV (H.264, with sound)", png: "Folder of PNG pictures" };
const size = (bytes) => (bytes > 1e9 ? (bytes / 1e9).toFixed(1) + " GB" : bytes > 1e6 ? (bytes / 1e6).toFixed(1) + " MB" : Math.ceil(bytes / 1e3) + " kB");

export default {
  template: `
    <div class="film-output">
      <section v-if="takes" class="dc-card film-order" aria-label="Make the film"><h2>Make the film</h2>
        <form class="film-form" @submit.prevent="order">
          <label>Name <input type="text" v-model="name" maxlength="80" required autocomplete="off" spellcheck="false" aria-describedby="film-names"></label>
          <label>Format <select v-model="format"><option v-for="f in formats" :key="f" :value="f">{{ FORMATS[f] || f }}</option></select></label>
          <label class="film-check"><input type="checkbox" v-model="overwrite"> replace a film of this name</label>
          <p id="film-names" class="dc-dim">{{ names }} Label: {{ words }}. Shots with a look of their own keep it.</p>
          <div class="dc-row"><button type="submit" class="dc-button primary" :disabled="busy || !model">{{ takes > 1 ? "Render the films" : "Render the film" }}</button>
            <span v-if="!model" class="dc-dim">There is no model yet: <a :href="base + '/train'">train one</a> first.</span><span class="dc-good" role="status">{{ done }}</span></div>
          <div v-if="error" class="dc-problem" role="alert">{{ error }}</div>
        </form>
      </section>
      <section v-if="loaded && (takes || films.length)" class="film-finished" aria-label="Finished films"><h2>Finished films</h2>
        <div v-if="problem" class="dc-problem" role="alert">{{ problem }}</div>
        <p v-else-if="!films.length" class="dc-dim">None yet. When a film is rendered, it plays here, with its report and verdict.</p>
        <article v-for="film in films" :key="film.id" class="dc-card film-one" :aria-label="film.name">
          <div class="film-play">
            <video v-if="film.playable && !broken[film.id]" controls preload="metadata" :src="address(film)" :aria-label="'Film ' + film.name" @error="broken = { ...broken, [film.id]: true }"></video>
            <div v-else-if="film.problem" class="film-none dc-bad">{{ film.problem }}</div>
            <div v-else class="film-none">{{ film.pictures ? film.pictures + " PNG pictures. A browser cannot play them; download them as one archive." : "This browser does not play this kind of file. Download it to watch it." }}</div>
          </div>
          <div class="film-about">
            <h3>{{ film.name }}</h3>
            <p class="dc-dim">{{ when(film.made) }}<template v-if="film.bytes"> · {{ size(film.bytes) }}</template><br><span class="dc-code">{{ film.path }}</span></p>
            <div v-if="!film.problem" class="dc-row">
              <a class="dc-button" :href="address(film, true)" :aria-label="'Download ' + film.name" download>Download</a>
              <button v-if="report" type="button" class="dc-button" :aria-expanded="open === film.id ? 'true' : 'false'" :aria-label="'Report on ' + film.name" @click="open = open === film.id ? '' : film.id">Report</button>
              <button type="button" class="dc-button" :disabled="asking[film.id]" :aria-label="'Verify ' + film.name" @click="verify(film)">{{ asking[film.id] ? "Verifying…" : "Verify" }}</button>
            </div>
            <div v-if="verdicts[film.id]" class="film-verdict" :class="tone(verdicts[film.id])" role="status"><strong>{{ verdicts[film.id].verdict || verdicts[film.id].error }}</strong></div>
          </div>
          <details v-if="verdicts[film.id]?.lines?.length" class="film-wide film-lines"><summary>All that was read in {{ film.name }}</summary>
            <dl><template v-for="(line, n) in verdicts[film.id].lines" :key="n"><dt>{{ line[0] }}</dt><dd>{{ line[1] }}</dd></template></dl></details>
          <iframe v-if="open === film.id" class="film-report" sandbox="" :src="base.replace('/p/', '/api/p/') + '/report'" :title="'Report on the production of ' + film.name"></iframe>
          <p v-if="open === film.id" class="dc-dim film-wide">The report is of the film that was made last. <a :href="base.replace('/p/', '/api/p/') + '/report'" target="_blank" rel="noopener">Open it in a tab</a></p>
        </article>
      </section>
    </div>`,
  props: { production: String },
  data: () => ({ loaded: false, takes: 0, model: null, formats: [], films: [], report: false, name: "film", format: "mp4", overwrite: false, busy: false, error: "", done: "",
    problem: "", label: {}, open: "", broken: {}, asking: {}, verdicts: {}, FORMATS }),
  computed: {
    base() { return "/p/" + encodeURIComponent(this.production); },
    names() {
      const end = this.format === "png" ? "" : "." + this.format;
      const first = `films/${this.name || "…"}`;
      return this.takes > 1 ? `A film of each take: ${first}-TAKE${end}, in the production's folder.` : `It becomes ${first}${end} in the production's folder.`;
    },
    words() {
      const { style, corner, language, text } = this.label;
      if (style === "none") return "none (credentials and watermark stay)";
      const parts = [(STYLES[style] || style).toLowerCase(), corner ? CORNERS[corner].toLowerCase() : "where no face comes"];
      return [...parts, text ? `“${text}”` : language || "English"].join(", ");
    },
  },
  mounted() {
    this.ends = [
      onLabel((values) => (this.label = values)),
      watchJobs(this.production, (state) => { if (!isBusy(state)) this.done = ""; }),
      follow(this.production, (kinds) => { if (["record", "jobs", "models", "reconnected", "faces"].some((k) => kinds.has(k))) this.load(); }),
    ];
    this.load();
  },
  unmounted() { this.ends.forEach((end) => end()); },
  methods: {
    size,
    path(rest) { return `/api/p/${encodeURIComponent(this.production)}/${rest}`; },
    address(film, download) { return this.path(`films/${film.id}${download ? "?download=true" : "?" + encodeURIComponent(film.made)}`); },
    when(made) { return made ? new Date(made).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) : ""; },
    tone(v) { return v.error || v.code > 1 ? "dc-bad" : v.code ? "dc-warn" : "dc-good"; },
    async load() {
      try {
        const [state, done] = await Promise.all([call(this.path("film")), call(this.path("films"))]);
        Object.assign(this, { takes: state.takes.length, model: state.model, formats: state.formats, problem: "" });
        const known = new Map(this.films.map((film) => [film.id, film]));
        this.films = done.films.map((film) => (JSON.stringify(known.get(film.id)) === JSON.stringify(film) ? known.get(film.id) : film));
        for (const film of this.films) if (known.has(film.id) && known.get(film.id).made !== film.made) delete this.verdicts[film.id];
        this.report = done.report;
        const newest = this.films.find((film) => !film.problem);
        if (newest && !this.verdicts[newest.id] && !this.asking[newest.id]) this.verify(newest);
      } catch (error) { this.problem = error.message; }
      this.loaded = true;
    },
    async order() {
      Object.assign(this, { busy: true, error: "", done: "" });
      try {
        await call(this.path("render"), { method: "POST", body: { name: this.name.trim(), format: this.format, label: chosen(this.label), overwrite: this.overwrite } });
        await refreshJobs(this.production);
        this.done = "In the queue.";
      } catch (error) { this.error = error.message; }
      this.busy = false;
    },
    async verify(film) {
      this.asking = { ...this.asking, [film.id]: true };
      try {
        this.verdicts = { ...this.verdicts, [film.id]: await call(this.path("verdict?film=" + encodeURIComponent(film.path))) };
      } catch (error) { this.verdicts = { ...this.verdicts, [film.id]: { error: error.message } }; }
      this.asking = { ...this.asking, [film.id]: false };
    },
  },
};
