// The timeline of a take: scrub bar, shots, where the actor is seen, little pictures. Keys are the page's (film_view.js).
import { within } from "/static/film_shots.js";

export default {
  template: `
    <div class="film-timeline" role="group" aria-label="Timeline">
      <input ref="bar" class="film-scrub" type="range" min="0" :max="frames - 1" step="1" :value="index" aria-label="Frame"
             :aria-valuetext="'frame ' + index + ' of ' + frames" @input="$emit('seek', +$event.target.value, true)" @change="$emit('seek', +$event.target.value, false)">
      <div class="film-lane film-shots" role="group" aria-label="Shots">
        <button v-for="s in segments" :key="s.start" type="button" class="film-shot" :class="{ own: s.look, here: here(s), chosen: here(s) && scope === 'shot' }"
                :style="place(s.start, s.end)" :tabindex="here(s) ? 0 : -1" :aria-pressed="here(s) && scope === 'shot' ? 'true' : 'false'"
                :aria-label="words(s)" :title="words(s)" @click="$emit('pick', s)"><span>{{ s.look ? "◆ own look" : s.number }}</span></button>
      </div>
      <div class="film-lane film-faces" role="img" :aria-label="seen"><div v-for="(run, n) in faces" :key="n" :style="place(run[0], run[1])"></div></div>
      <div class="film-lane film-thumbs" aria-hidden="true"><img v-for="n in shown" :key="take + n" alt="" :src="thumb(n - 1)" @load="more" @error="more" @click="$emit('seek', middle(n - 1), false)"></div>
      <div class="film-playhead" :style="{ left: 'calc(8px + (100% - 16px) * ' + (frames > 1 ? index / (frames - 1) : 0) + ')' }" aria-hidden="true"></div>
    </div>`,
  props: { production: String, take: String, frames: Number, index: Number, segments: Array, faces: Array, scope: String },
  emits: ["seek", "pick"],
  data: () => ({ shown: 1, count: 10 }),
  computed: {
    seen() {
      const n = within(this.faces, 0, this.frames);
      return n ? `The actor is seen in ${n} of ${this.frames} frames` : "The actor is in none of these frames";
    },
  },
  watch: { take() { this.shown = 1; } },
  methods: {
    here(s) { return s.start <= this.index && this.index < s.end; },
    place(start, end) { return { left: (start / this.frames) * 100 + "%", width: ((end - start) / this.frames) * 100 + "%" }; },
    words(s) {
      const face = within(this.faces, s.start, s.end);
      return `Shot ${s.number}, frames ${s.start} to ${s.end - 1}${s.look ? ", own look" : ""}${face ? "" : ", without the actor"}`;
    },
    middle(n) { return Math.min(this.frames - 1, Math.floor(((n + 0.5) / this.count) * this.frames)); },
    thumb(n) { return `/api/p/${encodeURIComponent(this.production)}/frame?take=${encodeURIComponent(this.take)}&index=${this.middle(n)}&width=160`; },
    more() { if (this.shown < this.count) this.shown += 1; }, // one after the other: previews go first
  },
};
