// What is being done in a production and what waits: one copy for all parts of a page.
import { call, sharing } from "/static/api.js";

const SURE = 4000; // milliseconds: while something runs it is asked again, as a killed process says no word

const shared = sharing({
  kinds: ["activity", "jobs", "reconnected"],
  async load(production, one) {
    const state = await call(`/api/p/${encodeURIComponent(production)}/jobs`);
    if (state.activity?.state !== "running" || state.activity.started !== one.pausing) one.pausing = null;
    return { ...state, pausing: one.pausing !== null };
  },
  failed: (state, error, one) => ({ activity: null, jobs: [], ...state, error, pausing: one.pausing !== null }),
  started(one) {
    one.pausing = null;
    const timer = setInterval(() => {
      if (!document.hidden && (isBusy(one.state) || one.state?.error)) one.ask();
    }, SURE);
    return () => clearInterval(timer);
  },
});

// Calls `changed({ activity, jobs, error, pausing })` at once and whenever that changes; see GET /api/p/{name}/jobs.
// Returns a function that ends it. error: "" or why the studio cannot be asked. pausing: whether what runs was asked to
// stop from this page.
export const watchJobs = shared.watch;

// Asks again at once, after something was done.
export const refreshJobs = shared.refresh;

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
  const one = shared.of(production);
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
