// The form of a new production.
import { call } from "/static/api.js";
import { STYLES } from "/static/film_label.js";
import PersonForm from "/static/person_form.js";

const nobody = () => ({ person: { takes: [], basis: null }, names: [], busy: false, failed: false });

export default {
  components: { PersonForm },
  props: { bases: Array, limit: Number, languages: Object },
  template: `
    <form class="pc-form" novalidate @submit.prevent="make('film')">
      <div class="pc-sides">
        <person-form v-for="side in ['actor', 'target']" :key="side" :ref="side" :side="side" :bases="bases" :limit="limit" :errors="errors"
                     :fields="[side, side + '-basis']" @change="changed(side, $event)"></person-form>
      </div>
      <div class="dc-card pc-options">
        <div class="pc-field"><label for="name">Name of the production</label>
          <input id="name" ref="name" type="text" maxlength="100" v-model="name" @input="named = true; errors.name = ''" :aria-invalid="!!errors.name" aria-describedby="name-error">
          <p v-if="errors.name" id="name-error" class="pc-error" role="alert">{{ errors.name }}</p></div>
        <div class="pc-field"><label for="minutes">Minutes of training</label>
          <input id="minutes" type="number" min="0.1" step="any" v-model.number="minutes" aria-describedby="minutes-note">
          <p id="minutes-note" class="dc-dim">10 show how it will look; an hour gives more detail. More can be added later.</p>
          <p v-if="errors.minutes" class="pc-error" role="alert">{{ errors.minutes }}</p></div>
        <details class="pc-advanced"><summary>Advanced</summary>
          <div class="pc-field"><label for="size">Size of the face the network sees</label>
            <select id="size" v-model="size"><option :value="null">What fits the faces (usual)</option><option v-for="n in [96, 128, 192, 256]" :key="n" :value="n">{{ n }} pixels</option></select></div>
          <div class="pc-field"><label for="style">Visible label</label>
            <select id="style" v-model="style"><option v-for="(words, key) in styles" :key="key" :value="key">{{ words }}</option></select>
            <p v-if="style === 'none'" class="dc-dim">The invisible mark and the signed record stay. Many countries ask for a visible label when such a film is shown.</p></div>
          <div class="pc-field"><label for="language">Language of the label</label>
            <select id="language" v-model="language"><option v-for="(words, code) in languages" :key="code" :value="code">{{ code }}: {{ words }}</option></select></div>
          <p v-if="errors.label" class="pc-error" role="alert">{{ errors.label }}</p>
        </details>
      </div>
      <p v-if="errors['']" class="dc-problem" role="alert">{{ errors[''] }}</p>
      <div class="dc-row pc-actions">
        <button class="dc-button primary" type="submit" :disabled="waits">Make the film</button>
        <button class="dc-button" type="button" :disabled="waits" @click="make('faces')">Find the faces first</button>
        <span class="dc-dim" role="status">{{ status }}</span>
      </div>
    </form>`,
  data: () => ({ name: "", named: false, minutes: 10, size: null, style: "corner", styles: STYLES, language: "en", errors: {}, sending: false, sides: { actor: nobody(), target: nobody() } }),
  computed: {
    busy() { return this.sides.actor.busy || this.sides.target.busy; },
    waits() { return this.busy || this.sending; },
    status() { return this.busy ? "Waiting for the uploads." : this.sending ? "Checking…" : ""; },
  },
  methods: {
    changed(side, said) {
      this.sides = { ...this.sides, [side]: said };
      this.errors = { ...this.errors, [side]: "", [`${side}-basis`]: "" };
      const stem = (one) => (one.names[0] || "").replace(/\.[^.]*$/, "").replace(/[/\\:*?"<>|]/g, "").slice(0, 40).trim();
      if (this.named) return;
      this.errors.name = "";
      this.name = [stem(this.sides.actor), stem(this.sides.target)].filter(Boolean).join(" as ");
    },
    async make(then) {
      this.errors = {};
      this.sending = true;
      const label = { style: this.style, language: this.language };
      const minutes = Number(this.minutes) || 0;
      const body = { name: this.name.trim(), actor: this.sides.actor.person, target: this.sides.target.person, minutes, size: this.size, label, then };
      try {
        location.assign((await call("/api/productions", { method: "POST", body })).address);
      } catch (error) {
        this.errors = error.errors || { "": error.message };
        this.sending = false;
        await this.$nextTick();
        const field = (error.field || "").split("-")[0];
        if (field === "name") this.$refs.name.focus();
        else if (this.$refs[field]) this.$refs[field][0].focus();
        document.querySelector(".pc-form [role=alert]")?.scrollIntoView({ block: "center" });
      }
    },
  },
};
