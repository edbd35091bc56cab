// Several people are equally present: who is meant? Each person of the contact sheet is a button.
import { call } from "/static/api.js";

export default {
  props: { production: String, side: String, job: String, sheet: Object },
  template: `
    <div>
      <ul class="pc-people">
        <li v-for="n in sheet.count" :key="n"><button type="button" class="pc-face" :disabled="sending" :aria-label="'Person ' + (n - 1)" @click="choose(n - 1)">
          <span class="pc-row" :style="row(n - 1)"></span><span>Person {{ n - 1 }}</span></button></li>
      </ul>
      <p v-if="error" class="dc-problem" role="alert">{{ error }}</p>
    </div>`,
  data: () => ({ error: "", sending: false }),
  methods: {
    row(n) {
      const { width, row, mark } = this.sheet;
      const address = `/api/p/${encodeURIComponent(this.production)}/people/${this.side}?${mark}`;
      return { backgroundImage: `url("${address}")`, width: `${width}px`, height: `${row - 28}px`, backgroundPosition: `0 ${-n * row - 28}px` };
    },
    async choose(face) {
      this.sending = true;
      try {
        const path = `/api/p/${encodeURIComponent(this.production)}/person`;
        location.assign((await call(path, { method: "POST", body: { job: this.job, side: this.side, face } })).address);
      } catch (error) { this.error = error.message; this.sending = false; }
    },
  },
};
