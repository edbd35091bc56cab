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

// Calls `changed(kinds)` with a Set of kinds ("activity", "jobs", "curation", ...; see watch.py) whenever something in
// the production changed, whoever changed it; also after a lost connection came back, with the kind "reconnected".
// Returns a function that ends it. All parts of a page share one connection: browsers open six to a server at most.
const sources = new Map();
export function follow(production, changed) {
  let shared = sources.get(production);
  if (!shared) {
    const source = new EventSource(`/api/p/${encodeURIComponent(production)}/events`);
    shared = { source, listeners: new Set(), lost: false };
    const tell = (kinds) => [...shared.listeners].forEach((listener) => listener(kinds));
    source.onmessage = (event) => tell(new Set(JSON.parse(event.data)));
    source.onerror = () => (shared.lost = true);
    source.onopen = () => {
      if (shared.lost) tell(new Set(["reconnected"]));
      shared.lost = false;
    };
    sources.set(production, shared);
  }
  const listener = (kinds) => changed(kinds);
  shared.listeners.add(listener);
  return () => {
    shared.listeners.delete(listener);
    if (shared.listeners.size || sources.get(production) !== shared) return;
    shared.source.close();
    sources.delete(production);
  };
}

// 75 -> "1:15", 3700 -> "1:01:40"
export function clock(seconds) {
  const whole = Math.round(seconds);
  const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60, s = whole % 60;
  const pad = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}
