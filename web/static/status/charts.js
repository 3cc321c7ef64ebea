// Draws figures over time as lines of an SVG.

const [WIDTH, HEIGHT] = [600, 120];
// Spans of the time axis, in seconds: the shortest that holds all points.
const SPANS_S = [120, 300, 900];
// Points further apart than this are not connected, in seconds.
const GAP_S = 5;
const SVG = "http://www.w3.org/2000/svg";

export class Chart {
  #figure;
  #series;
  #format;
  #floor;
  #lines;
  #area = svg("path", { class: "area" });
  #svg = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  #top = label("top");
  #start = label("start");

  /**
   * @param {string} id of the figure; its elements of the series' classes show their last values
   * @param {string[]} series names of figures in the history; the first one is filled
   * @param {(value: number) => string} format
   * @param {number} floor the least value that the whole height stands for
   */
  constructor(id, series, format, floor) {
    this.#figure = document.getElementById(id);
    [this.#series, this.#format, this.#floor] = [series, format, floor];
    this.#lines = Object.fromEntries(series.map((name) => [name, svg("path", { class: `line ${name}` })]));
    const middle = svg("path", { class: "grid", d: `M0,${HEIGHT / 2}H${WIDTH}M0,0.5H${WIDTH}` });
    this.#svg.append(middle, this.#area, ...Object.values(this.#lines));
    const plot = document.createElement("div");
    const axis = document.createElement("div");
    [plot.className, axis.className] = ["plot", "axis"];
    axis.setAttribute("aria-hidden", "true");
    plot.append(this.#svg, this.#top);
    axis.append(this.#start, Object.assign(label("end"), { textContent: "now" }));
    this.#figure.append(plot, axis);
  }

  /** Draw the points up to now. */
  show(points, now) {
    const spanS = SPANS_S.find((span) => !points.length || points[0].at >= now - span) ?? SPANS_S.at(-1);
    const values = points.flatMap((point) => this.#series.map((name) => point[name] ?? 0));
    const top = roundUp(Math.max(this.#floor, ...values));
    const place = (name) => ({ at, [name]: value }) => [
      WIDTH * (1 - (now - at) / spanS),
      HEIGHT * (1 - value / top),
    ];
    for (const name of this.#series) {
      const runs = connected(points, name).map((run) => run.map(place(name)));
      const isFirst = name === this.#series[0];
      // A line along the axis would only hide it.
      const isFlat = !isFirst && points.every((point) => !point[name]);
      this.#lines[name].setAttribute("d", isFlat ? "" : runs.map(line).join(""));
      if (isFirst) this.#area.setAttribute("d", runs.map(area).join(""));
      const last = points.at(-1)?.[name];
      this.#figure.querySelector(`.values .${name} b`).textContent = last == null ? "–" : this.#format(last);
    }
    this.#top.textContent = this.#format(top);
    this.#start.textContent = `${spanS / 60} min ago`;
    this.#describe(points, spanS);
  }

  #describe(points, spanS) {
    const most = (name) => Math.max(...points.map((point) => point[name] ?? 0));
    const words = this.#series.map((name) => `${name} at most ${this.#format(points.length ? most(name) : 0)}`);
    const title = this.#figure.querySelector("figcaption").textContent;
    this.#svg.setAttribute("aria-label", `${title} in the last ${spanS / 60} minutes: ${words.join(", ")}.`);
  }
}

/** Runs of points that have the figure, without gaps in time. */
function connected(points, name) {
  const runs = [];
  let last = -Infinity;
  for (const point of points) {
    if (point[name] == null) continue;
    if (point.at - last > GAP_S) runs.push([]);
    runs.at(-1).push(point);
    last = point.at;
  }
  return runs;
}

function line(run) {
  // A run of one point is a dot.
  return `M${run.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}h0.1`;
}

function area(run) {
  return `${line(run)}V${HEIGHT}H${run[0][0].toFixed(1)}Z`;
}

/** The next of 1, 2, 5, 10, 20, 50 and so on. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= value * 0.9999);
}

function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function label(className) {
  return Object.assign(document.createElement("span"), { className });
}
