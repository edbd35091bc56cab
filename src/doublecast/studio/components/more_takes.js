// Further takes of one side of a production.
import { call } from "/static/api.js";
import PersonForm from "/static/person_form.js";

export default {
  components: { PersonForm },
  props: { production: String, bases: Array, limit: Number, recorded: Object, takes: Object },
  template: `
    <form class="pc-form" novalidate @submit.prevent="add">
      <fieldset class="pc-basis"><legend>Of whom?</legend>
        <label v-for="one in ['actor', 'target']" :key="one" class="pc-choice"><input type="radio" name="side" :value="one" v-model="side">
          {{ one === 'actor' ? 'Actor' : 'Target' }} <span class="dc-dim">{{ takes[one].length ? 'so far: ' + takes[one].join(', ') : 'none yet' }}</span></label>
      </fieldset>
      <person-form :key="side" :side="side" :bases="bases" :limit="limit" :errors="errors" :fields="['takes', 'basis']" :consent="!recorded[side]"
                   @change="said = $event; errors = {}"></person-form>
      <p v-if="errors['']" class="dc-problem" role="alert">{{ errors[''] }}</p>
      <div class="dc-row"><button class="dc-button primary" :disabled="said.busy || sending">Find their faces</button>
        <span class="dc-dim" role="status">{{ said.busy ? 'Waiting for the uploads.' : sending ? 'Checking…' : '' }}</span></div>
    </form>`,
  data: () => ({ side: "target", errors: {}, sending: false, said: { person: { takes: [], basis: null }, busy: false } }),
  methods: {
    async add() {
      this.errors = {};
      this.sending = true;
      try {
        const path = `/api/p/${encodeURIComponent(this.production)}/takes`;
        location.assign((await call(path, { method: "POST", body: { side: this.side, person: this.said.person } })).address);
      } catch (error) {
        this.errors = error.errors || { "": error.message };
        this.sending = false;
      }
    },
  },
};
