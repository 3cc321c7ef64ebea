// The client of the service: sends pictures to POST /predict, and describes errors to the user.

import { apiKey, forgetApiKey } from "./api_key.js";
import { bytes } from "./words.js";

const NOTE_TIMEOUT_MS = 1000;
const TITLES = {
  400: "This picture cannot be read",
  401: "An API key is required",
  413: "This picture is too large",
  415: "This format is not accepted",
  429: "Too many requests",
  503: "The service is unavailable",
  504: "It took too long",
};
// Refusals of the service to which the same picture leads again.
const FINAL = [400, 413, 415, 421];
// A proxy answers so while it cannot reach the service. The service's own answers say when to retry, if that helps.
const PASSING = [502, 503, 504];
const notes = new Map();

/** Why there is no result, and what can be done about it. */
export class Problem extends Error {
  /**
   * @param {string} title a few words
   * @param {string} detail a sentence or two
   * @param {object} [remedy]
   * @param {boolean} remedy.repeatable whether the same picture may succeed later
   * @param {boolean} remedy.passes whether it is likely to succeed soon, so that it is worth waiting
   * @param {number} remedy.retryAfterS after how many seconds to retry, if the service says so
   * @param {boolean} remedy.wantsKey whether an API key is required, or another one may help
   */
  constructor(title, detail, { repeatable = false, passes = false, retryAfterS = 0, wantsKey = false } = {}) {
    super(detail);
    Object.assign(this, { title, detail, repeatable, passes, retryAfterS, wantsKey });
  }
}

/**
 * Classify a picture.
 * @param {File} file
 * @param {AbortSignal} signal cancels the request
 * @returns {Promise<object>} `predictions`, `model`, `precision`, `cached`, `note` and `stages`, a list of
 *   [name, milliseconds]
 * @throws {Problem}
 */
export async function classify(file, signal) {
  await check(file);
  const key = apiKey();
  const [response, text] = await send(file, key, signal);
  const answer = parse(text);
  if (!answer.success) throw problemOf(response, answer, key);
  const { predictions, model, precision, cached = false } = answer;
  const note = await noteOn(model, precision);
  return { predictions, model, precision, cached, note, stages: stagesOf(response) };
}

async function check(file) {
  const most = Number(document.body.dataset.maxUploadBytes);
  if (file.size > most) {
    throw new Problem(TITLES[413], `It has ${bytes(file.size)}; at most ${bytes(most)} are accepted.`);
  }
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Problem("This file cannot be opened", "It is a folder, or it has been moved or changed.");
  }
}

/** Send a picture, and return the response and its whole text. */
async function send(file, key, signal) {
  const body = new FormData();
  body.append("image", file);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    const response = await fetch("/predict", { method: "POST", body, headers, signal });
    return [response, await response.text()];
  } catch {
    const detail = "Check that it is running and that you are connected to the network.";
    throw new Problem("The service cannot be reached", detail, { repeatable: true, passes: true });
  }
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {}; // a proxy's page
  }
}

function problemOf({ status, headers }, { title, detail }, key) {
  if (status === 401) return keyProblem(key);
  const retryAfterS = parseInt(headers.get("Retry-After"), 10) || 0;
  const words = detail ?? `The response, with status ${status}, is not from the service. It may be from a proxy.`;
  const heading = TITLES[status] ?? title ?? "Something went wrong";
  const own = Boolean(detail);
  const repeatable = !(own && FINAL.includes(status));
  const passes = retryAfterS > 0 || (!own && PASSING.includes(status));
  // Too many wrong keys came from this address, or this key has reached its limit: another key may pass at once.
  const wantsKey = own && status === 429 && key !== "";
  return new Problem(heading, words, { repeatable, passes, retryAfterS, wantsKey });
}

function keyProblem(key) {
  const detail = key ? "The service does not know this key." : "This service requires an API key.";
  forgetApiKey(key);
  return new Problem(TITLES[401], detail, { wantsKey: true });
}

/** The worker's note about its network, fetched once for each network and precision; empty if it cannot be fetched. */
async function noteOn(model, precision) {
  const key = `${model} ${precision}`;
  if (notes.has(key)) return notes.get(key);
  try {
    const response = await fetch("/readyz", { signal: AbortSignal.timeout(NOTE_TIMEOUT_MS) });
    const { workers } = await response.json();
    const worker = workers.find((each) => each.model === model && each.precision === precision);
    if (worker) notes.set(key, worker.note);
    return worker?.note ?? "";
  } catch {
    return "";
  }
}

function stagesOf(response) {
  const header = response.headers.get("Server-Timing") ?? "";
  return [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, name, ms]) => [name, Number(ms)]);
}
