// What all components share: calls of the studio's API, and word of changes.

// Calls the API; answers the JSON (or the Response where it is something else). Throws an Error whose message is the
// command line's own sentence.
export async function call(path, { method = "GET", body, signal } = {}) {
  const answer = await fetch(path, {
    method,
    signal,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The studio does not answer. What runs goes on; this page asks again by itself.");
  });
  const json = (answer.headers.get("content-type") || "").includes("json");
  if (!answer.ok) {
    const told = json ? await answer.json() : {};
    const words = told.error || `The studio answered ${answer.status} ${answer.statusText}`;
    throw Object.assign(new Error(words), { field: told.field || "", errors: told.errors }); // of a form: what is wrong where
  }
  return json ? answer.json() : answer;
}

// Server-sent events of an address as long as the page can be seen: a browser opens six connections to a server at most,
// so a hidden tab gives its own back. Calls `told(data)` for each, `again()` when a connection came back, since something
// may have been missed. Returns a function that ends it.
export function listen(address, told, again) {
  let source = null, lost = false;
  const open = () => {
    source = new EventSource(address);
    source.onmessage = (event) => told(event.data);
    source.onerror = () => (lost = true);
    source.onopen = () => {
      if (lost) again();
      lost = false;
    };
  };
  const turn = () => {
    if (!document.hidden && !source) open();
    if (document.hidden && source) {
      source.close();
      source = null;
      lost = true;
    }
  };
  document.addEventListener("visibilitychange", turn);
  turn();
  return () => {
    document.removeEventListener("visibilitychange", turn);
    source?.close();
  };
}

// Calls `changed(kinds)` with a Set of kinds ("activity", "jobs", "curation", ...; see watch.py) whenever something in
// the production changed, whoever changed it; also after a lost connection came back, with the kind "reconnected".
// Returns a function that ends it. All parts of a page share one connection.
const sources = new Map();
export function follow(production, changed) {
  let shared = sources.get(production);
  if (!shared) {
    const listeners = new Set();
    const tell = (kinds) => [...listeners].forEach((listener) => listener(kinds));
    const address = `/api/p/${encodeURIComponent(production)}/events`;
    const end = listen(address, (data) => tell(new Set(JSON.parse(data))), () => tell(new Set(["reconnected"])));
    shared = { listeners, end };
    sources.set(production, shared);
  }
  const listener = (kinds) => changed(kinds);
  shared.listeners.add(listener);
  return () => {
    shared.listeners.delete(listener);
    if (shared.listeners.size || sources.get(production) !== shared) return;
    shared.end();
    sources.delete(production);
  };
}

// One copy of a production's state for all parts of a page: asked for at once, and again when one of `kinds` is told.
// load(production, one): answers the state. failed(state, message, one): what to show when it throws (state: null for
// none yet; null: nothing). Answers { watch, refresh, of }: watch(production, changed) calls `changed(state)` at once and
// whenever it changes, and returns a function that ends it; refresh asks again; of(production) is what is kept of it, or
// undefined. started(one): called when the first part watches; the function it returns when the last one ends.
export function sharing({ kinds, load, failed, started = () => () => {} }) {
  const shown = new Map();
  const begin = (production) => {
    const one = { listeners: new Set(), state: null, asking: false, again: false };
    one.ask = async () => {
      if (one.asking) return void (one.again = true);
      one.asking = true;
      do {
        one.again = false;
        try {
          one.state = { ...(await load(production, one)), error: "" };
        } catch (error) {
          one.state = failed(one.state, error.message, one);
        }
        if (one.state) [...one.listeners].forEach((listener) => listener(one.state));
      } while (one.again);
      one.asking = false;
    };
    const ends = [follow(production, (told) => kinds.some((kind) => told.has(kind)) && one.ask()), started(one)];
    one.end = () => ends.forEach((end) => end());
    shown.set(production, one);
    one.ask();
    return one;
  };
  return {
    watch(production, changed) {
      const one = shown.get(production) || begin(production);
      one.listeners.add(changed);
      if (one.state) changed(one.state);
      return () => {
        one.listeners.delete(changed);
        if (one.listeners.size) return;
        one.end();
        shown.delete(production);
      };
    },
    refresh: (production) => shown.get(production)?.ask(),
    of: (production) => shown.get(production),
  };
}

// 75 -> "1:15", 3700 -> "1:01:40"
export function clock(seconds) {
  const whole = Math.round(seconds);
  const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60, s = whole % 60;
  const pad = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}
