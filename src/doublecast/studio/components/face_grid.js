// The page of faces as a component; its parts are the modules in static/faces.
import { start } from "/static/faces/page.js";

export default {
  template: '<div class="fc"></div>',
  props: { production: String, side: String },
  mounted() {
    this.stop = start(this.$el, this.production, this.side);
  },
  unmounted() {
    this.stop();
  },
};
