// Chooses files and folders of the machine that the studio runs on, within the folders that it may look into.
import { call } from "/static/api.js";
import { bytes } from "/static/upload.js";

const ICONS = { folder: "folder", production: "movie_filter", video: "movie", picture: "image", file: "description" }; // Material icons

export default {
  props: { title: String, wanted: { default: "takes" }, many: { default: true }, folders: { default: true } },
  emits: ["chosen", "closed"],
  template: `
    <dialog ref="dialog" class="pc-places" :aria-label="title" @close="$emit('closed')" @keydown="key">
      <h2>{{ title }}</h2>
      <nav aria-label="Where you are" class="pc-crumbs">
        <button type="button" class="pc-crumb" @click="open('')">Folders of this studio</button>
        <template v-for="crumb in place.crumbs" :key="crumb.path"><span aria-hidden="true">›</span>
          <button type="button" class="pc-crumb" :aria-current="crumb.path === place.path ? 'location' : null"
                  @click="open(crumb.path)">{{ crumb.name }}</button></template>
      </nav>
      <p v-if="error" role="alert" class="dc-problem">{{ error }}</p>
      <ul ref="list" class="pc-entries" :aria-busy="busy">
        <li v-for="entry in place.entries" :key="entry.path">
          <button type="button" class="pc-entry" :aria-pressed="isFolder(entry) ? null : String(marked.has(entry.path))"
                  @click="click(entry)" @dblclick="isFolder(entry) || take([entry])">
            <q-icon :name="icons[entry.kind]" size="20px" class="dc-dim"></q-icon><span class="pc-name">{{ entry.name }}</span>
            <span class="dc-dim">{{ isFolder(entry) ? entry.kind : size(entry.size) }}</span>
          </button>
        </li>
      </ul>
      <p v-if="!busy && !place.entries.length && !error" class="dc-dim">{{ nothing }}</p>
      <p v-if="place.more" class="dc-dim">{{ place.more }} more are not shown.</p>
      <p v-if="!place.path" class="dc-dim">Start the studio with --root FOLDER to choose from further folders.</p>
      <div class="dc-row">
        <button type="button" class="dc-button primary" :disabled="!marked.size" @click="take([...marked.values()])">
          {{ marked.size > 1 ? 'Choose ' + marked.size + ' files' : 'Choose' }}</button>
        <button v-if="folders && place.pictures > 1" type="button" class="dc-button"
                @click="take([{ path: place.path, name: folderName, kind: 'folder' }])">
          Choose the whole folder ({{ place.pictures }} pictures)</button>
        <button type="button" class="dc-button" @click="$refs.dialog.close()">Close</button>
      </div>
    </dialog>`,
  data: () => ({ place: { path: "", crumbs: [], entries: [], pictures: 0, more: 0 }, marked: new Map(), error: "", busy: false, icons: ICONS }),
  computed: {
    nothing() { return this.wanted === "takes" ? "No videos, pictures or folders here." : "Nothing here."; },
    folderName() { return this.place.crumbs.at(-1)?.name || ""; },
  },
  mounted() { this.$refs.dialog.showModal(); this.open(""); },
  methods: {
    size: bytes,
    isFolder: (entry) => entry.kind === "folder" || entry.kind === "production",
    async open(path) {
      this.busy = true;
      try {
        this.place = await call(`/api/places?${new URLSearchParams({ path, wanted: this.wanted })}`);
        this.error = "";
        this.marked = new Map();
        await this.$nextTick();
        this.buttons()[0]?.focus();
      } catch (error) { this.error = error.message; }
      this.busy = false;
    },
    click(entry) {
      if (this.isFolder(entry)) return this.open(entry.path);
      const marked = new Map(this.many ? this.marked : []);
      if (this.marked.has(entry.path)) marked.delete(entry.path); else marked.set(entry.path, entry);
      this.marked = marked;
    },
    take(entries) { this.$emit("chosen", entries.map(({ path, name, kind }) => ({ path, name, kind }))); this.$refs.dialog.close(); },
    buttons() { return [...this.$refs.list.querySelectorAll("button")]; },
    key(event) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        const all = this.buttons();
        all[Math.min(all.length - 1, Math.max(0, all.indexOf(document.activeElement) + step))]?.focus();
      } else if (event.key === "Backspace") this.open(this.place.crumbs.at(-2)?.path || "");
      else return;
      event.preventDefault();
    },
  },
};
