// What stands in the tables' rows.

import { total } from "./servers.js";
import { picturesPerS } from "./workers.js";
import { count, decimal, span } from "./words.js";

const ERRORS = {
  400: "not a picture, or a wrong request",
  401: "no API key, or a wrong one",
  408: "sent too slowly",
  413: "too large",
  415: "wrong format",
  421: "host not in TRUSTED_HOSTS",
  429: "too many requests",
  499: "client hung up",
  500: "failed",
  503: "queue full, or no worker",
  504: "not answered in time",
};
/** Each event's name, its detail, its group of counts, and the members that count; all of them by default. */
const EVENTS = [
  ["Jobs pushed again: orphaned", "their worker died", "requeued", ["orphaned"]],
  ["Jobs pushed again: lost", "nobody had them", "requeued", ["lost"]],
  ["Answers found by polling", "their notification was lost", "results", ["polled"]],
  ["Decoding processes ended", "killed, crashed, or out of time", "cells_died"],
  ["Cache hits", "answered without a worker", "cache", ["hit"]],
];

export function workerRow(worker, now) {
  const { info, state } = worker;
  const rate = picturesPerS(worker);
  return {
    key: info.name,
    state,
    cells: [
      [info.name, info.host],
      [info.model, [info.engine, info.precision].filter(Boolean).join(", ")],
      info.uptime_s == null ? "–" : span(info.uptime_s),
      count(info.images_done),
      rate === null ? "–" : decimal(rate),
      stateOf(worker, now),
    ],
  };
}

export function serverRow({ name, uptimeS, inProgress, requestsPerS }) {
  const rate = requestsPerS === null ? "–" : decimal(requestsPerS);
  return { key: name, cells: [name, span(uptimeS), count(inProgress), rate] };
}

/** A row for each status that was an error since the web servers started. */
export function errorRows(totals, lastMinute) {
  const isError = ([status, all]) => Number(status) >= 400 && all > 0;
  const [answered, refused] = [totals.requests, totals.refused].map((group) => Object.entries(group ?? {}).filter(isError));
  const row = (group, what) => ([status, all]) => eventRow(
    `${group} ${status}`, status, what ?? ERRORS[status] ?? "", lastMinute[group]?.[status] ?? 0, all);
  return [...answered.map(row("requests")), ...refused.map(row("refused", "refused: not whole, or not valid HTTP"))];
}

export function eventRows(totals, lastMinute) {
  return EVENTS.map(([name, detail, group, members]) => {
    const of = (counts) => total(members ? pick(counts[group], members) : counts[group]) ?? 0;
    return eventRow(name, name, detail, of(lastMinute), of(totals));
  });
}

function eventRow(key, name, detail, lately, all) {
  return { key, state: lately ? "recent" : "", cells: [[name, detail], count(lately), count(all)] };
}

function pick(group = {}, members) {
  return Object.fromEntries(members.map((member) => [member, group[member] ?? 0]));
}

function stateOf({ state, ageS, since }, now) {
  if (state === "silent") return ["no heartbeat", `for ${span(ageS)}`];
  return ["stopped", "died", "gone"].includes(state) ? [state, `${span(now - since)} ago`] : [state];
}
