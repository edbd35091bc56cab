// One side of a production: its takes, and on what basis the person's face is used.
import FileChooser from "/static/file_chooser.js";

export default {
  components: { FileChooser },
  props: { side: String, bases: Array, limit: Number, errors: Object, fields: Array, consent: { default: true } },
  emits: ["change"],
  template: `
    <section class="dc-card pc-person" :aria-labelledby="side + '-title'">
      <h2 :id="side + '-title'">{{ side === 'actor' ? 'Actor' : 'Target' }}</h2>
      <p class="dc-dim">{{ side === 'actor' ? 'Whose performance and footage are kept.' : 'Whose face is wanted. One to five minutes, close to the camera, talking.' }}</p>
      <file-chooser ref="takes" :what="'takes of the ' + side" words="Drop videos here, or the pictures of a series." purpose="take"
                    accept="video/*,image/*,.mkv,.mxf,.mts,.m2ts,.ts" :limit="limit" @change="takes = $event; told()"></file-chooser>
      <p v-if="errors[fields[0]]" class="pc-error" role="alert">{{ errors[fields[0]] }}</p>
      <fieldset v-if="consent" class="pc-basis">
        <legend>On what basis is this face used?</legend>
        <div v-for="basis in bases" :key="basis.kind" class="pc-option">
          <label><input type="radio" :name="side + '-basis'" :value="basis.kind" v-model="kind" @change="told"> {{ basis.words }}</label>
          <div v-if="kind === basis.kind && basis.needs" class="pc-detail">
            <template v-if="basis.needs !== 'file'">
              <label :for="side + '-detail'">{{ basis.asks }}</label>
              <input :id="side + '-detail'" type="text" maxlength="2000" v-model="detail" @input="told">
            </template>
            <template v-if="basis.needs !== 'text'">
              <p class="dc-dim">{{ basis.needs === 'file' ? basis.asks : 'Or the licence as a file' }}</p>
              <file-chooser :what="'evidence for the ' + side" words="Drop the file here." purpose="evidence" :many="false" :limit="limit"
                            @change="evidence = $event; told()"></file-chooser>
            </template>
          </div>
        </div>
        <p v-if="errors[fields[1]]" class="pc-error" role="alert">{{ errors[fields[1]] }}</p>
      </fieldset>
    </section>`,
  data: () => ({ takes: { given: [], names: [], busy: false, failed: false }, kind: "", detail: "", evidence: { given: [], busy: false } }),
  methods: {
    focus() { this.$refs.takes.focus(); },
    told() {
      const basis = this.kind ? { kind: this.kind, detail: this.detail, evidence: this.evidence.given[0] || null } : null;
      this.$emit("change", {
        person: { takes: this.takes.given, basis: this.consent ? basis : null },
        names: this.takes.names, busy: this.takes.busy || this.evidence.busy, failed: this.takes.failed,
      });
    },
  },
};
