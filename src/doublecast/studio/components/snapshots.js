// States of training that are kept under a name: save, go back to, remove. See pipeline/snapshots.py.
import { call, clock } from "/static/api.js";
import { isBusy, watchJobs } from "/static/jobs.js";
import { chooseModel, refreshTrain, trainPath, watchTrain } from "/static/train.js";

export default {
  template: `
    <section v-if="train && (train.shown || train.snapshots.length)" class="dc-card dc-snapshots" aria-labelledby="dc-snapshots-title">
      <h2 id="dc-snapshots-title">Snapshots</h2>
      <p class="dc-dim">{{ train.snapshots.length ? "You can go back to each of these." : "Keep the present state under a name before you try something; you can go back to it." }}</p>
      <form class="dc-row" v-if="trained" @submit.prevent="save">
        <label class="dc-hidden" for="dc-snapshot">Name of a new snapshot</label>
        <input id="dc-snapshot" v-model.trim="name" maxlength="60" required placeholder="Its name">
        <button type="submit" class="dc-button" :disabled="busy || !name">Save</button>
      </form>
      <ul v-if="train.snapshots.length" class="dc-kept">
        <li v-for="s in train.snapshots" :key="s.name">
          <div><strong>{{ s.name }}</strong><span class="dc-dim">{{ describe(s) }}</span></div>
          <div class="dc-row">
            <button type="button" class="dc-button" :disabled="busy" :aria-label="'Go back to ' + s.name" @click="ask('restore', s)">Go back</button>
            <button type="button" class="dc-button" :disabled="busy" :aria-label="'Remove ' + s.name" @click="ask('remove', s)">Remove</button>
          </div>
        </li>
      </ul>
      <div v-if="error" class="dc-problem" role="alert">{{ error }}</div>
      <div class="dc-hidden" aria-live="polite">{{ told }}</div>
      <dialog ref="dialog" class="dc-keys" aria-labelledby="dc-snapshot-ask" @close="asked = null">
        <template v-if="asked">
          <h2 id="dc-snapshot-ask">{{ asked.what === "restore" ? "Go back to “" + asked.snapshot.name + "”?" : "Remove “" + asked.snapshot.name + "”?" }}</h2>
          <p v-if="asked.what === 'restore'">The model is then as it was after {{ time(asked.snapshot) }} of training, and training goes on from there.
            The present state is not lost: it is kept as the snapshot “before {{ asked.snapshot.name }}”.</p>
          <p v-else>It cannot be brought back. The model itself and its training stay as they are.</p>
          <p v-if="asked.what === 'restore' && running" class="dc-warn">Something runs in this production: pause it first.</p>
          <div class="dc-row">
            <button type="button" class="dc-button primary" :disabled="busy || (asked.what === 'restore' && running)" @click="sure">{{ asked.what === "restore" ? "Go back" : "Remove" }}</button>
            <button type="button" class="dc-button" @click="$refs.dialog.close()">Cancel</button>
          </div>
        </template>
      </dialog>
    </section>`,
  props: { production: String },
  data: () => ({ train: null, work: null, name: "", busy: false, error: "", told: "", asked: null }),
  computed: {
    trained() { return this.train.models.some((m) => m.seconds > 0); },
    running() { return this.work?.activity?.state === "running"; },
  },
  mounted() {
    this.ends = [watchTrain(this.production, (state) => (this.train = state)), watchJobs(this.production, (state) => (this.work = state))];
  },
  unmounted() { this.ends.forEach((end) => end()); },
  methods: {
    isBusy,
    time: (s) => clock(s.seconds),
    describe(s) {
      const made = new Date(s.made), when = isNaN(made) ? "" : `, kept ${made.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`;
      const model = new Set(this.train.models.map((m) => m.name)).size > 1 ? `, ${s.model}` : "";
      return `${clock(s.seconds)} · step ${s.step.toLocaleString("en")}${model}${when}${s.note ? ". " + s.note : ""}`;
    },
    ask(what, snapshot) {
      this.asked = { what, snapshot };
      this.error = "";
      this.$refs.dialog.showModal();
    },
    async change(action, body, told) {
      this.busy = true;
      this.error = "";
      try {
        await call(trainPath(this.production, `/snapshots/${action}`), { method: "POST", body });
        this.told = told;
        await refreshTrain(this.production);
      } catch (error) { this.error = error.message; }
      this.busy = false;
    },
    async save() {
      const name = this.name;
      await this.change("save", { name, model: this.train.shown }, `Kept as ${name}`);
      if (!this.error) this.name = "";
    },
    async sure() {
      const { what, snapshot } = this.asked;
      await this.change(what, { name: snapshot.name }, what === "restore" ? `Back at ${snapshot.name}` : `${snapshot.name} is removed`);
      if (!this.error && what === "restore") chooseModel(this.production, null);
      this.$refs.dialog.close();
    },
  },
};
