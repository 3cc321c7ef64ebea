// The figures of the last quarter of an hour, kept in the tab, where they survive a reload.

const NAME = "status-history";
const SPAN_S = 900;

export class History {
  /** The points, the oldest first: each has a time `at`, in seconds, and figures, of which each may be null. */
  points = stored();

  add(point) {
    this.points.push(point);
    // A clock that was set back leaves points in the future.
    this.points = this.points.filter(({ at }) => at > point.at - SPAN_S && at <= point.at);
  }

  /** Keep the points for the next time that this tab shows the page. */
  save() {
    try {
      sessionStorage.setItem(NAME, JSON.stringify(this.points));
    } catch {
      // The browser forbids storage, or it is full; then a reload begins anew.
    }
  }
}

function stored() {
  try {
    const points = JSON.parse(sessionStorage.getItem(NAME));
    return Array.isArray(points) ? points : [];
  } catch {
    return [];
  }
}
