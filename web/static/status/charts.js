// Draws figures over time as lines of an SVG; a pointer on it shows the values of another time than now.

import { span } from "./words.js";

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
  #marker = svg("path", { class: "marker" });
  #top = label("top");
  #start = label("start");
  #end = label("end");
  #shown = { points: [], now: 0, spanS: SPANS_S[0] };
  // Where the pointer is on the time axis, from 0 to 1.
  #pointer = null;

  /**
   * @param {string} id of the figure; its elements of the series' classes show their values
   * @param {string[]} series names of figures in the history; the first one is filled
   * @param {(value: number) => string} format
   * @param {number} floor the least value that the whole height stands for
   */
  constructor(id, series, format, floor) {
    this.#figure = document.getElementById(id);
    [this.#series, this.#format, this.#floor] = [series, format, floor];
    this.#lines = Object.fromEntries(series.map((name) => [name, svg("path", { class: `line ${name}` })]));
    const middle = svg("path", { class: "grid", d: `M0,${HEIGHT / 2}H${WIDTH}M0,0.5H${WIDTH}` });
    this.#svg.append(middle, this.#area, ...Object.values(this.#lines), this.#marker);
    const plot = document.createElement("div");
    const axis = document.createElement("div");
    [plot.className, axis.className] = ["plot", "axis"];
    axis.setAttribute("aria-hidden", "true");
    plot.append(this.#svg, this.#top);
    axis.append(this.#start, this.#end);
    this.#figure.append(plot, axis);
    plot.addEventListener("pointermove", (event) => this.#pointAt(event.clientX));
    plot.addEventListener("pointerleave", () => this.#pointAt(null));
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
    }
    this.#top.textContent = this.#format(top);
    this.#start.textContent = `${spanS / 60} min ago`;
    this.#describe(points, spanS);
    this.#shown = { points, now, spanS };
    this.#showValues();
  }

  #pointAt(clientX) {
    const { left, width } = this.#svg.getBoundingClientRect();
    this.#pointer = clientX === null ? null : (clientX - left) / width;
    this.#showValues();
  }

  /** Show the values at the pointer's time, or else the last ones. */
  #showValues() {
    const { points, now, spanS } = this.#shown;
    const point = this.#pointer === null ? points.at(-1) : nearest(points, now - spanS * (1 - this.#pointer));
    for (const name of this.#series) {
      const value = point?.[name];
      this.#figure.querySelector(`.values .${name} b`).textContent = value == null ? "–" : this.#format(value);
    }
    const isPast = this.#pointer !== null && point;
    this.#end.textContent = isPast ? `${span(now - point.at)} ago` : "now";
    this.#marker.setAttribute("d", isPast ? `M${WIDTH * (1 - (now - point.at) / spanS)},0V${HEIGHT}` : "");
  }

  #describe(points, spanS) {
    const most = (name) => Math.max(...points.map((point) => point[name] ?? 0));
    const words = this.#series.map((name) => `${name} at most ${this.#format(points.length ? most(name) : 0)}`);
    const title = this.#figure.querySelector("figcaption").textContent;
    this.#svg.setAttribute("aria-label", `${title} in the last ${spanS / 60} minutes: ${words.join(", ")}.`);
  }
}

/** The point whose time is the closest. */
function nearest(points, at) {
  const distance = (point) => Math.abs(point.at - at);
  return points.reduce((best, point) => (distance(point) < distance(best) ? point : best), points[0]);
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
