// The status page: asks once a second while somebody looks, shows the answer, and announces what matters.

import { keepApiKey } from "../api_key.js";
import { duration } from "../words.js";
import { Chart } from "./charts.js";
import { fetchStatus, Unavailable } from "./client.js";
import { now } from "./clock.js";
import { History } from "./history.js";
import { errorRows, eventRows, serverRow, workerRow } from "./rows.js";
import { quantile, Servers, total } from "./servers.js";
import { showText, Table } from "./tables.js";
import { count, decimal, plural } from "./words.js";
import { Workers } from "./workers.js";

const INTERVAL_MS = 1000;
const NOT_UNDERSTOOD = {
  heading: "No status can be read",
  detail: "This page does not understand the answer. If the service was updated, load the page again.",
};
const element = Object.fromEntries([...document.querySelectorAll("[id]")].map((each) => [each.id, each]));
const tables = Object.fromEntries(["workers", "servers", "errors", "events"].map((id) => [id, new Table(id)]));
const milliseconds = (seconds) => duration(seconds * 1000);
const charts = [
  new Chart("rate", ["requests", "errors"], decimal, 1),
  new Chart("latency", ["p50", "p99"], milliseconds, 0.01),
  new Chart("queue", ["depth"], count, 5),
];
const [workers, history] = [new Workers(), new History()];
let servers = new Servers();
let timer = null;
let health;

document.addEventListener("visibilitychange", () => (document.hidden ? pause() : run()));
addEventListener("pagehide", () => history.save());
element["key-form"].addEventListener("submit", (event) => {
  event.preventDefault();
  keepApiKey(element.key.value.trim());
  element.key.value = "";
  element["key-form"].hidden = true;
  run();
});
run();

function run() {
  // Hidden, nobody looks; and two loops would ask twice as often.
  if (document.hidden || timer !== null) return;
  timer = setTimeout(ask);
}

function pause() {
  clearTimeout(timer);
  timer = null;
}

async function ask() {
  const mine = timer;
  const began = performance.now();
  let again = true;
  try {
    show(await fetchStatus());
  } catch (problem) {
    again = !problem.wantsKey;
    if (problem instanceof Unavailable) return showProblem(problem);
    // What the page knows by now may be half of an answer.
    servers = new Servers();
    showProblem(NOT_UNDERSTOOD);
    throw problem; // for the console
  } finally {
    // Unless paused meanwhile.
    if (timer === mine) timer = again ? setTimeout(ask, Math.max(0, INTERVAL_MS - (performance.now() - began))) : null;
  }
}

function show(answer) {
  const at = now();
  const { workers: heartbeats, queue, heartbeat_ttl_s: ttlS, reason } = answer;
  servers.add(answer, at);
  const news = heartbeats ? workers.update(heartbeats, ttlS, at) : [];
  if (!heartbeats) workers.lose(at);
  history.add({ at, ...figures(servers.rates()), depth: queue?.depth ?? null });
  element["key-form"].hidden = true;
  element.figures.hidden = false;
  showText(element.capacity, queue ? count(queue.capacity) : "–");
  showFigures(at);
  showHealth(...healthOf(heartbeats, queue, reason), news);
}

/** Requests and errors a second, p50 and p99 in seconds. */
function figures(rates) {
  if (!rates) return { requests: null, errors: null, p50: null, p99: null };
  const failed = Object.entries(rates.requests).filter(([status]) => Number(status) >= 400);
  const [p50, p99] = [0.5, 0.99].map((share) => quantile(rates.latency_s, share));
  return { requests: total(rates.requests), errors: total(Object.fromEntries(failed)), p50, p99 };
}

function showFigures(at) {
  const [totals, lastMinute] = [servers.totals(), servers.lastMinute()];
  tables.workers.show(workers.all.map((worker) => workerRow(worker, at)));
  tables.servers.show(servers.list(at).map(serverRow));
  tables.errors.show(errorRows(totals, lastMinute));
  tables.events.show(eventRows(totals, lastMinute));
  for (const chart of charts) chart.show(history.points, at);
}

/** How the service is, in a word for the style sheet and in a few for people, with a detail. */
function healthOf(heartbeats, queue, reason) {
  const seen = `${plural(servers.names.length, "web server")}: ${servers.names.join(", ")}`;
  if (reason) return ["bad", heartbeats ? "The queue cannot be read" : "Redis cannot be read", `${reason} ${seen}`];
  if (!heartbeats.length) return ["bad", "No worker is alive", seen];
  if (queue.depth >= queue.capacity) return ["bad", "The queue is full", seen];
  const silent = workers.all.filter(({ state }) => state === "silent").length;
  const alive = plural(heartbeats.length - silent, "worker");
  return silent ? ["warning", `${alive} alive, ${silent} without heartbeat`, seen] : ["good", `${alive} alive`, seen];
}

function showProblem({ heading, detail, wantsKey }) {
  const at = now();
  showHealth("bad", heading, detail, []);
  workers.lose(at);
  history.add({ at, ...figures(null), depth: null });
  showFigures(at);
  if (!wantsKey) return;
  element["key-form"].hidden = false;
  element.key.focus();
}

/** Show how the service is; screen readers hear of it only when that changes, and of the news. */
function showHealth(state, words, detail, news) {
  const changed = health !== undefined && health !== words;
  health = words;
  element.summary.dataset.state = state;
  showText(element.summary, words);
  showText(element.detail, detail);
  if (news.length || changed) element.status.textContent = [...news, `${words}.`].join(" ");
}
