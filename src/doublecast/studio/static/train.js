// The state of a production's training (GET /api/p/{name}/train): one copy for all parts of the Train page.
import { call, follow } from "/static/api.js";

const KINDS = ["models", "record", "jobs", "curation", "faces", "reconnected"];
const shown = new Map();

// Calls `changed(state)` as soon as it is known and whenever it changes; see train_api.state, and `error` ("" or why the
// studio cannot be asked). Returns a function that ends it.
export function watchTrain(production, changed) {
  const one = shown.get(production) || begin(production);
  one.listeners.add(changed);
  if (one.state) changed(one.state);
  return () => {
    one.listeners.delete(changed);
    if (one.listeners.size) return;
    one.end();
    shown.delete(production);
  };
}

export const refreshTrain = (production) => shown.get(production)?.ask();

// Shows another model in all parts of the page; null: the one that is trained, or that films are made with.
export function chooseModel(production, model) {
  const one = shown.get(production);
  if (one) (one.model = model), one.ask();
}

export const trainPath = (production, rest = "") => `/api/p/${encodeURIComponent(production)}/train${rest}`;

function begin(production) {
  const one = { listeners: new Set(), state: null, model: null, asking: false, again: false };
  one.ask = async () => {
    if (one.asking) return void (one.again = true);
    one.asking = true;
    do {
      one.again = false;
      try {
        const query = one.model ? `?model=${encodeURIComponent(one.model)}` : "";
        one.state = { ...(await call(trainPath(production, query))), error: "" };
      } catch (error) {
        if (one.state) one.state = { ...one.state, error: error.message };
      }
      if (one.state) [...one.listeners].forEach((listener) => listener(one.state));
    } while (one.again);
    one.asking = false;
  };
  const unfollow = follow(production, (kinds) => KINDS.some((kind) => kinds.has(kind)) && one.ask());
  one.end = unfollow;
  shown.set(production, one);
  one.ask();
  return one;
}
