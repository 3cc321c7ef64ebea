// Follows the workers: which are alive, how fast each is, and what became of those that are gone.

const WINDOW_S = 10;
// A living worker sends a heartbeat every second.
const SILENT_S = 2;
// Redis was read without a gap if the last time was at most so long ago. After a gap, workers get as long to come back.
const GAP_S = 3;
const GONE_KEPT_S = 900;

/**
 * The workers seen lately, each with the last `info` of its heartbeat, its `ageS`, and a `state`:
 * `alive`; `silent` without a heartbeat for some seconds; `unknown` while Redis cannot be read; `stopped` as it was
 * told to; `died`; or `gone` where nobody saw how. `since` is when that began. All times are in seconds.
 */
export class Workers {
  #known = new Map();
  #readAt = -Infinity;

  /** The workers, those alive first. */
  get all() {
    const rank = ({ state }) => Number(isGone(state));
    return [...this.#known.values()].sort((a, b) => rank(a) - rank(b) || (rank(a) && b.since - a.since) || 0);
  }

  /**
   * Take what Redis says now, and return a sentence for each worker that came or went.
   * @param {object[]} heartbeats
   * @param {number} ttlS how long a heartbeat lasts
   * @param {number} at now
   */
  update(heartbeats, ttlS, at) {
    const watching = at - this.#readAt <= GAP_S;
    const news = heartbeats.map((heartbeat) => this.#see(heartbeat, at, this.#readAt > 0));
    const names = new Set(heartbeats.map(({ name }) => name));
    for (const [name, worker] of this.#known) {
      if (!names.has(name)) news.push(this.#miss(worker, ttlS, at, watching));
      if (isGone(worker.state) && at - worker.since > GONE_KEPT_S) this.#known.delete(name);
    }
    this.#readAt = at;
    return news.filter(Boolean);
  }

  /** Redis cannot be read: nothing is known of those that were alive. */
  lose(at) {
    for (const worker of this.#known.values()) if (!isGone(worker.state)) enter(worker, "unknown", at);
  }

  #see(info, at, announced) {
    const known = this.#known.get(info.name);
    const worker = known ?? { samples: [] };
    this.#known.set(info.name, worker);
    const returned = !known || isGone(known.state);
    Object.assign(worker, { info, ageS: info.heartbeat_age_s, seenAt: at, missedAt: null });
    worker.samples.push({ at: info.uptime_s ?? at, done: info.images_done });
    worker.samples = worker.samples.filter((sample) => sample.at >= worker.samples.at(-1).at - WINDOW_S);
    enter(worker, worker.ageS > SILENT_S ? "silent" : "alive", at);
    return returned && announced ? `Worker ${info.name} is alive.` : "";
  }

  #miss(worker, ttlS, at, watching) {
    if (isGone(worker.state)) return "";
    worker.missedAt ??= at;
    if (!watching || worker.state === "unknown") {
      // Its heartbeats may have been lost with Redis; it sends another within a second.
      enter(worker, "unknown", at);
      if (at - worker.missedAt < GAP_S) return "";
      enter(worker, "gone", at);
    } else {
      // One that is told to stop takes its heartbeat away; that of one that died expires.
      const ageS = worker.ageS + at - worker.seenAt;
      enter(worker, ageS < ttlS ? "stopped" : "died", at);
    }
    return `Worker ${worker.info.name} ${worker.state === "gone" ? "is gone" : worker.state}.`;
  }
}

/** Pictures a second in the last seconds; null as long as that is unknown. */
export function picturesPerS({ samples, state }) {
  const [first, last] = [samples[0], samples.at(-1)];
  return state === "alive" && last.at > first.at ? (last.done - first.done) / (last.at - first.at) : null;
}

export function isGone(state) {
  return ["stopped", "died", "gone"].includes(state);
}

function enter(worker, state, at) {
  if (worker.state !== state) Object.assign(worker, { state, since: at });
}
