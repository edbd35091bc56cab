// What is being done in a production and what waits: one copy for all parts of a page.
import { call, follow } from "/static/api.js";

const SURE = 4000; // milliseconds: while something runs it is asked again, as a killed process says no word
const shown = new Map();

// Calls `changed({ activity, jobs, error, pausing })` at once and whenever that changes; see GET /api/p/{name}/jobs.
// Returns a function that ends it. error: "" or why the studio cannot be asked. pausing: whether what runs was asked to
// stop from this page.
export function watchJobs(production, changed) {
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

// Asks again at once, after something was done.
export function refreshJobs(production) {
  return shown.get(production)?.ask();
}

function begin(production) {
  const path = `/api/p/${encodeURIComponent(production)}/jobs`;
  const one = { listeners: new Set(), state: null, asking: false, again: false, pausing: null };
  one.ask = async () => {
    if (one.asking) return void (one.again = true);
    one.asking = true;
    do {
      one.again = false;
      try {
        one.state = { ...(await call(path)), error: "" };
        if (one.state.activity?.state !== "running" || one.state.activity.started !== one.pausing) one.pausing = null;
      } catch (error) {
        one.state = { activity: null, jobs: [], ...one.state, error: error.message };
      }
      one.state.pausing = one.pausing !== null;
      [...one.listeners].forEach((listener) => listener(one.state));
    } while (one.again);
    one.asking = false;
  };
  const unfollow = follow(production, (kinds) => {
    if (["activity", "jobs", "reconnected"].some((kind) => kinds.has(kind))) one.ask();
  });
  const timer = setInterval(() => {
    if (!document.hidden && (isBusy(one.state) || one.state?.error)) one.ask();
  }, SURE);
  one.end = () => (unfollow(), clearInterval(timer));
  shown.set(production, one);
  one.ask();
  return one;
}

const ACTIVE = ["waiting", "running"];
// Whether something runs or is about to.
export const isBusy = (state) =>
  !!state && (state.activity?.state === "running" || state.jobs.some((job) => ACTIVE.includes(job.state)));

// The job that runs, or undefined; work that was started in a terminal has none.
export const runningJob = (state) => state?.jobs.find((job) => job.state === "running");

// Asks what runs to stop as Ctrl-C does; what it did is kept. Throws an Error in the command line's words.
export async function pauseNow(production, state) {
  const path = `/api/p/${encodeURIComponent(production)}`;
  const job = runningJob(state);
  const one = shown.get(production);
  if (one) one.pausing = state.activity?.started ?? null;
  try {
    await call(job ? `${path}/jobs/${encodeURIComponent(job.id)}/pause` : `${path}/stop`, { method: "POST" });
  } catch (error) {
    if (one) one.pausing = null;
    throw error;
  } finally {
    await refreshJobs(production);
  }
}
