// A place where files are dropped or chosen, from the user's machine or the studio's. Emits the list of what is there.
import { clock } from "/static/api.js";
import { bytes, dropped, send } from "/static/upload.js";
import PlacePicker from "/static/place_picker.js";

const PICTURE = /\.(png|jpe?g|jpe|bmp|tiff?|webp)$/i;
let number = 0;

export default {
  components: { PlacePicker },
  props: {
    what: String,             // "take of the actor": for accessible names
    words: String,            // what can be dropped here
    purpose: String,          // take, evidence or verify
    many: { default: true },
    limit: Number,            // bytes of the largest upload
    accept: { default: "" },
  },
  emits: ["change"],
  template: `
    <div class="pc-chooser">
      <div class="pc-drop" :class="{ over }" @dragenter.prevent="over = true" @dragover.prevent="over = true"
           @dragleave.prevent="over = false" @drop.prevent="drop">
        <p>{{ words }}</p>
        <div class="dc-row">
          <button type="button" ref="first" class="dc-button" :aria-label="'Choose files: ' + what" @click="$refs.file.click()">Choose {{ many ? 'files' : 'a file' }}…</button>
          <button type="button" class="dc-button" :aria-label="'From the studio’s machine: ' + what" @click="browsing = true">From the studio’s machine…</button>
        </div>
        <input ref="file" type="file" hidden :multiple="many" :accept="accept" :aria-label="what" @change="picked">
      </div>
      <ul v-if="items.length" class="pc-items" :aria-label="what">
        <li v-for="item in items" :key="item.key" :class="{ bad: item.error }">
          <div class="pc-line"><span class="pc-name">{{ item.name }}</span><span class="dc-dim">{{ note(item) }}</span>
            <button type="button" class="dc-button small" :aria-label="(item.busy ? 'Cancel ' : 'Remove ') + item.name" @click="remove(item)">
              {{ item.busy ? 'Cancel' : 'Remove' }}</button></div>
          <div v-if="item.busy" class="dc-bar" role="progressbar" :aria-label="'Upload of ' + item.name" aria-valuemin="0" aria-valuemax="100"
               :aria-valuenow="Math.round(item.share * 100)"><div :style="{ width: item.share * 100 + '%' }"></div></div>
          <p v-if="item.error" role="alert" class="pc-error">{{ item.error }}</p>
        </li>
      </ul>
      <place-picker v-if="browsing" :title="'From the studio’s machine: ' + what" :wanted="purpose === 'evidence' ? 'any' : 'takes'"
                    :many="many" :folders="purpose !== 'evidence'" @chosen="placed" @closed="closed"></place-picker>
    </div>`,
  data: () => ({ items: [], over: false, browsing: false }),
  mounted() { addEventListener("pagehide", this.clear); },
  unmounted() { removeEventListener("pagehide", this.clear); this.clear(); },
  methods: {
    focus() { this.$refs.first.focus(); },
    note(item) {
      if (item.busy) return item.share < 1 ? `${Math.round(item.share * 100)} % of ${bytes(item.size)}` : "looking into it…";
      if (item.error) return "";
      const parts = [item.width && `${item.width} × ${item.height}`, item.seconds && clock(item.seconds), item.path ? "on the studio’s machine" : item.size && bytes(item.size)];
      return parts.filter(Boolean).join(" · ");
    },
    async drop(event) {
      this.over = false;
      try { this.add(await dropped(event.dataTransfer)); } catch (error) { this.fail("what was dropped", error.message); }
    },
    picked(event) {
      this.add([...event.target.files].map((file) => ({ file, folder: "" })));
      event.target.value = "";
    },
    closed() { this.browsing = false; this.focus(); },
    placed(entries) {
      if (!this.many) this.clear();
      for (const entry of entries) if (!this.items.some((item) => item.path === entry.path)) this.items.push({ key: ++number, ...entry });
      this.told();
    },
    // Pictures that come together are one series; everything else is a file by itself.
    add(found) {
      if (!found.length) return;
      if (!this.many) { this.clear(); found = found.slice(0, 1); }
      const series = new Map();
      for (const { file, folder } of found) {
        const group = this.purpose === "take" && PICTURE.test(file.name) ? folder || "pictures" : null;
        if (folder && !group && this.purpose === "take" && !/^video\//.test(file.type)) continue;
        if (group === null) this.upload(file.name, [file]);
        else series.set(group, [...(series.get(group) || []), file]);
      }
      for (const [name, files] of series) this.upload(files.length > 1 ? `${name} (${files.length} pictures)` : files[0].name, files);
    },
    fail(name, error) { this.items.push({ key: ++number, name, error }); this.told(); },
    async upload(name, files) {
      const size = files.reduce((sum, file) => sum + file.size, 0);
      const largest = Math.max(...files.map((file) => file.size));
      if (this.limit && largest > this.limit) return this.fail(name, `the file has ${bytes(largest)}; an upload may have ${bytes(this.limit)}`);
      this.items.push({ key: ++number, name, size, busy: true, share: 0, error: "", id: "" });
      const item = this.items.at(-1);
      this.told();
      let sent = 0;
      try {
        for (const file of files) {
          const job = send(file, { purpose: this.purpose, group: item.id, told: (share) => (item.share = Math.min(1, (sent + share * file.size) / (size || 1))) });
          item.cancel = job.cancel;
          const done = await job.done;
          sent += file.size;
          Object.assign(item, { id: done.id, width: done.width, height: done.height, seconds: done.kind === "pictures" ? 0 : done.seconds });
        }
      } catch (error) {
        if (item.id) this.forget(item.id);
        Object.assign(item, { id: "", error: error.name === "AbortError" ? "" : error.message });
        if (error.name === "AbortError") this.items = this.items.filter((one) => one.key !== item.key);
      }
      item.busy = false;
      this.told();
    },
    forget(id) { fetch(`/api/uploads/${id}`, { method: "DELETE", keepalive: true }); },
    remove(item) {
      if (item.busy) return item.cancel?.();
      if (item.id) this.forget(item.id);
      this.items = this.items.filter((one) => one.key !== item.key);
      this.told();
      this.focus();
    },
    clear() { for (const item of this.items) { item.cancel?.(); if (item.id) this.forget(item.id); } this.items = []; },
    told() {
      const ready = this.items.filter((item) => !item.busy && !item.error && (item.id || item.path));
      this.$emit("change", {
        given: ready.map((item) => (item.id ? { upload: item.id } : { path: item.path })),
        names: ready.map((item) => item.name),
        busy: this.items.some((item) => item.busy),
        failed: this.items.some((item) => item.error),
      });
    },
  },
};
