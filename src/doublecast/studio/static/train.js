// The state of a production's training (GET /api/p/{name}/train): one copy for all parts of the Train page.
import { call, sharing } from "/static/api.js";

export const trainPath = (production, rest = "") => `/api/p/${encodeURIComponent(production)}/train${rest}`;

const shared = sharing({
  kinds: ["models", "record", "jobs", "curation", "faces", "reconnected"],
  load: (production, one) => call(trainPath(production, one.model ? `?model=${encodeURIComponent(one.model)}` : "")),
  failed: (state, error) => state && { ...state, error },
});

// Calls `changed(state)` as soon as it is known and whenever it changes; see train_api.state, and `error` ("" or why the
// studio cannot be asked). Returns a function that ends it.
export const watchTrain = shared.watch;
export const refreshTrain = shared.refresh;

// Shows another model in all parts of the page; null: the one that is trained, or that films are made with.
export function chooseModel(production, model) {
  const one = shared.of(production);
  if (one) (one.model = model), one.ask();
}
