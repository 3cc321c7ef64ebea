// The time in seconds. It goes on while the computer sleeps, as performance.now() may not.

let [last, ahead] = [0, 0];

/** The system's time, except that it never goes back where that is set back. */
export function now() {
  const system = Date.now() / 1000;
  ahead = Math.max(ahead, last - system);
  last = system + ahead;
  return last;
}
