// Sums up the counts of several web servers: behind a load balancer, each answer may come from another one.

// Rates and times are those of so many seconds.
const WINDOW_S = 10;
const KEPT_S = 60;
// A web server is forgotten when it has not answered for so long, and longer the more there are to choose from.
const FORGET_S = 10;
const FORGET_S_OF_EACH = 5;

/** The web servers that have answered lately. All times that are called `at` are in seconds. */
export class Servers {
  #known = new Map();

  /** Take a web server's answer of now. */
  add({ server, counts }, at) {
    const samples = (this.#known.get(server.name) ?? []).filter((sample) => sample.at >= at - KEPT_S);
    const sample = { at, uptimeS: server.uptime_s, inProgress: server.in_progress, counts };
    // Each of its processes answers from a copy of its own, which may be older than what another has said before.
    if (samples.at(-1)?.uptimeS >= sample.uptimeS) samples.at(-1).at = at;
    else samples.push(sample);
    this.#known.set(server.name, samples);
    this.#forget(at);
  }

  get names() {
    return [...this.#known.keys()].sort();
  }

  /** Each web server, with its name, its `uptimeS`, requests `inProgress`, and requests a second or null. */
  list(at) {
    return this.names.map((name) => {
      const samples = this.#known.get(name);
      const { at: seen, uptimeS, inProgress } = samples.at(-1);
      const requestsPerS = total(rates(samples)?.requests);
      return { name, uptimeS: uptimeS + at - seen, inProgress, requestsPerS };
    });
  }

  /** The counts' growth a second, summed over all web servers; null as long as none has answered twice. */
  rates() {
    const known = [...this.#known.values()].map(rates).filter(Boolean);
    return known.length ? known.reduce(sum) : null;
  }

  /** The counts' growth in the last minute. */
  lastMinute() {
    return [...this.#known.values()].map((samples) => growth(samples[0], samples.at(-1))).reduce(sum, {});
  }

  /** The counts since each web server started. */
  totals() {
    return [...this.#known.values()].map((samples) => samples.at(-1).counts).reduce(sum, {});
  }

  #forget(at) {
    const patienceS = Math.max(FORGET_S, FORGET_S_OF_EACH * this.#known.size);
    for (const [name, samples] of this.#known) if (samples.at(-1).at < at - patienceS) this.#known.delete(name);
  }
}

/** The sum of a group's members; null where there is no group. */
export function total(group) {
  return group ? Object.values(group).reduce((a, b) => a + b, 0) : null;
}

/**
 * The value below which a share of all observations lies, interpolated within the bucket as Prometheus does it; null
 * without observations.
 * @param {object} buckets by upper bound, each with the number of all observations up to that bound
 */
export function quantile(buckets, share) {
  const bounds = Object.entries(buckets).map(([bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), count]);
  bounds.sort(([a], [b]) => a - b);
  const all = bounds.at(-1)?.[1];
  if (!all) return null;
  const rank = share * all;
  const place = bounds.findIndex(([, count]) => count >= rank);
  const [upper, upTo] = bounds[place];
  const [lower, below] = bounds[place - 1] ?? [0, 0];
  return upper === Infinity ? lower : lower + ((upper - lower) * (rank - below)) / (upTo - below);
}

function rates(samples) {
  const last = samples.at(-1);
  const first = samples.findLast((sample) => sample !== last && sample.at <= last.at - WINDOW_S) ?? samples[0];
  const seconds = last.uptimeS - first.uptimeS;
  return seconds > 0 ? map(growth(first, last), (count) => count / seconds) : null;
}

function growth(first, last) {
  return map(last.counts, (count, group, member) => count - (first.counts[group]?.[member] ?? 0));
}

function map(counts, change) {
  const members = (group) => ([member, count]) => [member, change(count, group, member)];
  const groups = Object.entries(counts).map(([group, each]) => [group, Object.entries(each).map(members(group))]);
  return Object.fromEntries(groups.map(([group, each]) => [group, Object.fromEntries(each)]));
}

function sum(a, b) {
  const groups = { ...a };
  for (const [group, members] of Object.entries(b)) {
    groups[group] = { ...groups[group] };
    for (const [member, count] of Object.entries(members)) groups[group][member] = (groups[group][member] ?? 0) + count;
  }
  return groups;
}
