// Measures of the last film, each with floor and ceiling and what it means. See train_api.evaluation.
import { clock } from "/static/api.js";
import { watchTrain } from "/static/train.js";

const short = (value) => (value === null ? "–" : Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : +value.toPrecision(2) + "");

export default {
  template: `
    <section v-if="train && train.shown" class="dc-card dc-evaluation" aria-labelledby="dc-evaluation-title">
      <div class="dc-row">
        <h2 id="dc-evaluation-title">Measures of the last film</h2>
        <span class="dc-space"></span>
        <a v-if="train.report" class="dc-button" :href="report" target="_blank" rel="noopener">Open the report</a>
      </div>
      <p v-if="!found && train.report" class="dc-dim">The numbers of the last film are in its report; those of the next one will be here, too.</p>
      <p v-else-if="!found" class="dc-dim">Films are measured when they are made. Make one on the <a :href="film">Film page</a>, then come back for the numbers.</p>
      <template v-else>
        <p class="dc-dim">{{ found.film }}, made with {{ found.model }} at step {{ found.step.toLocaleString("en") }}. {{ since }}
          Each number stands between two others: the actor's own face as it is, and the target's real face. Look at the film, too: numbers forgive blur.</p>
        <div class="dc-scroll" tabindex="0" role="region" aria-label="Measures"><table class="dc-table dc-measures">
          <thead><tr><th scope="col">Measure</th><th scope="col">Film</th><th scope="col">Actor unchanged</th><th scope="col">Real target</th><th scope="col">Better</th></tr></thead>
          <tbody><tr v-for="row in found.measures" :key="row.name">
            <th scope="row">{{ row.name }}<small class="dc-dim">{{ row.meaning }} <template v-if="row.note">{{ row.note[0].toUpperCase() + row.note.slice(1) }}.</template></small></th>
            <td><strong>{{ short(row.value) }}</strong> <span class="dc-dim">{{ row.unit }}</span></td>
            <td>{{ short(row.floor) }}</td><td>{{ short(row.ceiling) }}</td><td>{{ row.better }}</td>
          </tr></tbody>
        </table></div>
      </template>
    </section>`,
  props: { production: String },
  data: () => ({ train: null }),
  computed: {
    found() { return this.train.evaluation; },
    report() { return `/api/p/${encodeURIComponent(this.production)}/report`; },
    film() { return `/p/${encodeURIComponent(this.production)}/film`; },
    since() {
      const model = this.train.models.find((m) => m.name === this.found.model), then = model && this.train.shown === model.name && this.train.previews.find((p) => p.step >= this.found.step);
      const more = model && model.step > this.found.step;
      if (!more) return "";
      return then ? `It has been trained for ${clock(model.seconds - then.seconds)} more since; make the film again to measure it.` : "It has been trained for longer since; make the film again to measure it.";
    },
  },
  mounted() { this.end = watchTrain(this.production, (state) => (this.train = state)); },
  unmounted() { this.end(); },
  methods: { short },
};
