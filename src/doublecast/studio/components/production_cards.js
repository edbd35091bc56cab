// All productions as cards; they follow what runs, whoever started it.
import { call, clock, listen } from "/static/api.js";

const DOING = { extract: "Finding faces", curate: "Sorting faces", train: "Training", convert: "Making the film", guard: "Checking the footage", report: "Writing the report" };

export default {
  props: { first: Array },
  template: `
    <div>
      <p v-if="error" class="dc-problem" role="alert">{{ error }}</p>
      <div v-if="!cards.length" class="dc-empty">
        <p>No productions yet. Start one with a take of the actor, whose performance is kept, and a take of the target, whose face is wanted.</p>
        <a class="dc-button primary" href="/new">New production</a></div>
      <template v-else>
        <div class="dc-row pc-top"><a class="dc-button primary" href="/new">New production</a></div>
        <ul class="pc-cards">
          <li v-for="card in cards" :key="card.name" class="dc-card pc-card">
            <div class="pc-pictures" aria-hidden="true"><template v-for="side in ['actor', 'target']" :key="side">
              <img v-if="card[side].face" :src="face(card, side)" alt="" loading="lazy" width="224" height="224">
              <svg v-else class="pc-noface" viewBox="0 0 64 64" fill="#8a8f99"><circle cx="32" cy="26" r="11"/><path d="M10 60c2-14 11-20 22-20s20 6 22 20z"/></svg></template></div>
            <h2><a v-if="card.address" :href="card.address" class="pc-open">{{ card.name }}</a><span v-else>{{ card.name }}</span></h2>
            <dl class="pc-who"><dt>Actor</dt><dd>{{ names(card.actor) }}</dd><dt>Target</dt><dd>{{ names(card.target) }}</dd></dl>
            <template v-if="card.problems"><p class="dc-problem">{{ card.problems }}</p></template>
            <template v-else>
              <div v-if="card.running" class="pc-doing" role="status">
                <div>{{ doing(card.running) }}<span v-if="card.running.seconds_left"> · {{ left(card.running.seconds_left) }}</span></div>
                <div v-if="card.running.total" class="dc-bar" role="progressbar" :aria-label="'Progress of ' + card.name" aria-valuemin="0" aria-valuemax="100"
                     :aria-valuenow="share(card.running)"><div :style="{ width: share(card.running) + '%' }"></div></div></div>
              <p v-else class="pc-stage">{{ card.waiting ? 'Waiting to begin' : card.words }}<span v-if="card.paused" class="dc-warn"> · {{ card.paused === 1 ? 'a job is' : card.paused + ' jobs are' }} paused</span></p>
              <div v-if="card.ask" class="pc-ask"><span class="dc-warn">Several people are equally present.</span>
                <a class="dc-button pc-above" :href="card.person">Choose who the {{ card.ask }} is</a></div>
              <p v-if="card.failed" class="dc-problem">{{ card.failed }}</p>
              <div v-if="card.again && !card.ask && !card.running"><button type="button" class="dc-button pc-above" @click="again(card)"
                :aria-label="(card.failed ? 'Try again: ' : 'Go on with ') + card.name">{{ card.failed ? 'Try again' : 'Go on' }}</button></div>
            </template>
            <div class="pc-foot"><span class="dc-dim">{{ ago(card.used) }}<template v-if="card.trained"> · trained {{ clock(card.trained) }}</template></span>
              <a v-if="card.address" class="pc-above" :href="card.takes" :aria-label="'Add takes to ' + card.name">Add takes</a></div>
          </li>
        </ul>
      </template>
    </div>`,
  data() { return { cards: this.first, error: "", now: Date.now() / 1000 }; },
  mounted() {
    this.end = listen("/api/productions/events", () => this.load(), () => this.load());
    this.minute = setInterval(() => (this.now = Date.now() / 1000), 30000);
  },
  unmounted() { this.end(); clearInterval(this.minute); },
  methods: {
    clock,
    async load() {
      try { this.cards = await call("/api/productions"); this.now = Date.now() / 1000; this.error = ""; } catch (error) { this.error = error.message; }
    },
    async again(card) {
      try { await call(`/api/p/${encodeURIComponent(card.name)}/jobs/${card.again}/resume`, { method: "POST" }); } catch (error) { this.error = error.message; }
    },
    face: (card, side) => `/api/p/${encodeURIComponent(card.name)}/portrait/${side}?${card[side].face}`,
    names: (side) => (side.takes.length > 2 ? `${side.takes.slice(0, 2).join(", ")} and ${side.takes.length - 2} more` : side.takes.join(", ") || "not given yet"),
    share: (work) => Math.max(0, Math.min(100, Math.round((100 * work.done) / work.total))),
    doing(work) {
      const [stage, side] = (work.stage || work.command).split(" ");
      return (DOING[stage] || `Running: ${work.stage || work.command}`) + (side ? ` of the ${side}` : "");
    },
    left: (seconds) => (seconds < 90 ? `${Math.round(seconds)} s left` : `${Math.round(seconds / 60)} min left`),
    ago(time) {
      const minutes = Math.max(0, (this.now - time) / 60);
      const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
      if (minutes < 1) return "used just now";
      if (minutes < 60) return `used ${words.format(-Math.round(minutes), "minute")}`;
      if (minutes < 36 * 60) return `used ${words.format(-Math.round(minutes / 60), "hour")}`;
      return `used ${words.format(-Math.round(minutes / 1440), "day")}`;
    },
  },
};
