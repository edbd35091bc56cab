// Drop a file, read what it is.
import { call } from "/static/api.js";
import FileChooser from "/static/file_chooser.js";

const KINDS = [["good", "✓", "Made with doublecast, and unchanged"], ["", "–", "Nothing of doublecast was found"], ["warn", "!", "Made with doublecast, but no longer as it was made"]];

export default {
  components: { FileChooser },
  props: { limit: Number, productions: Array },
  template: `
    <div class="pc-verify">
      <file-chooser ref="chooser" what="file to verify" words="Drop a film or a picture here, whoever made it. Nothing is sent anywhere but to this studio." purpose="verify"
                    :many="false" :limit="limit" @change="changed"></file-chooser>
      <div class="pc-field"><label for="against">Hold it against a production (optional)</label>
        <select id="against" v-model="production" @change="look"><option value="">none</option>
          <option v-for="name in productions" :key="name" :value="name">{{ name }}</option></select></div>
      <div aria-live="polite">
        <p v-if="busy" class="pc-looking">Looking at {{ name }}… A long film takes a minute or two.</p>
        <p v-if="error" class="dc-problem" role="alert">{{ error }}</p>
        <section v-if="found" class="dc-card pc-verdict" :class="kind[0]" aria-label="Verdict">
          <h2><span class="pc-icon" aria-hidden="true">{{ kind[1] }}</span>{{ kind[2] }}</h2>
          <p class="pc-sentence">{{ found.verdict }}</p>
          <dl class="pc-lines"><template v-for="(line, n) in found.lines" :key="n">
            <dt :class="{ head: !line[1], inner: line[0].startsWith(' ') }">{{ line[0].trim() }}</dt><dd>{{ line[1] }}</dd></template></dl>
        </section>
      </div>
    </div>`,
  data: () => ({ production: "", busy: false, error: "", found: null, given: null, name: "", turn: 0 }),
  computed: { kind() { return KINDS[this.found.code] || KINDS[2]; } },
  methods: {
    changed({ given, names, busy }) {
      if (busy || !given.length) { this.turn++; this.busy = false; this.found = null; this.given = null; this.error = ""; return; }
      [this.given, this.name] = [given[0], names[0]];
      this.look();
    },
    async look() {
      if (!this.given) return;
      const turn = ++this.turn;
      [this.busy, this.error, this.found] = [true, "", null];
      try {
        const found = await call("/api/verify", { method: "POST", body: { file: this.given, production: this.production } });
        if (turn === this.turn) this.found = found;
      } catch (error) { if (turn === this.turn) this.error = error.message; }
      if (turn === this.turn) this.busy = false;
    },
  },
};
