// Talks to the service: sends a picture to POST /predict, and puts whatever can go wrong into words.

import { apiKey, forgetApiKey } from "./api_key.js";
import { bytes } from "./words.js";

const NOTE_TIMEOUT_MS = 1000;
const TITLES = {
  400: "This picture cannot be read",
  401: "An API key is needed",
  413: "This picture is too large",
  415: "This format is not taken",
  429: "Too many requests",
  503: "Not possible right now",
  504: "It took too long",
};
const notes = new Map();

/** Why there is no answer, and what may be done about it. */
export class Problem extends Error {
  /**
   * @param {string} title in a few words
   * @param {string} detail in a sentence or two
   * @param {object} [remedy]
   * @param {boolean} remedy.repeatable whether the same picture may succeed later
   * @param {number} remedy.retryAfterS when, in seconds, if the service has told
   * @param {boolean} remedy.wantsKey whether an API key is the remedy
   */
  constructor(title, detail, { repeatable = false, retryAfterS = 0, wantsKey = false } = {}) {
    super(detail);
    Object.assign(this, { title, detail, repeatable, retryAfterS, wantsKey });
  }
}

/**
 * Classify a picture.
 * @param {File} file
 * @param {AbortSignal} signal to give up with
 * @returns {Promise<object>} `predictions`, `model`, `cached`, `note` and `stages`, a list of [name, milliseconds]
 * @throws {Problem}
 */
export async function classify(file, signal) {
  await check(file);
  const response = await send(file, signal);
  const answer = (await response.json().catch(() => null)) ?? {};
  if (!answer.success) throw problemOf(response, answer);
  const { predictions, model, cached = false } = answer;
  return { predictions, model, cached, note: await noteOn(model), stages: stagesOf(response) };
}

async function check(file) {
  const most = Number(document.body.dataset.maxUploadBytes);
  if (file.size > most) {
    throw new Problem(TITLES[413], `It has ${bytes(file.size)}; at most ${bytes(most)} are taken.`);
  }
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Problem("This file cannot be opened", "It is a folder, or it has been moved or changed meanwhile.");
  }
}

async function send(file, signal) {
  const body = new FormData();
  body.append("image", file);
  const headers = apiKey() ? { Authorization: `Bearer ${apiKey()}` } : {};
  try {
    return await fetch("/predict", { method: "POST", body, headers, signal });
  } catch {
    const detail = "Is it still running, and are you connected to it?";
    throw new Problem("The service cannot be reached", detail, { repeatable: true });
  }
}

function problemOf({ status, headers }, { title, detail }) {
  if (status === 401) return keyProblem();
  const retryAfterS = parseInt(headers.get("Retry-After"), 10) || 0;
  const words = detail ?? `Something between this page and the service has answered, with the status ${status}.`;
  return new Problem(TITLES[status] ?? title ?? "Something went wrong", words, { repeatable: status >= 429, retryAfterS });
}

function keyProblem() {
  const detail = apiKey() ? "The service does not know this key." : "This service answers only those who have one.";
  forgetApiKey();
  return new Problem(TITLES[401], detail, { wantsKey: true });
}

/** What a worker has to say about its network, asked once for each network; the answer is complete without it. */
async function noteOn(model) {
  if (notes.has(model)) return notes.get(model);
  try {
    const response = await fetch("/readyz", { signal: AbortSignal.timeout(NOTE_TIMEOUT_MS) });
    const worker = (await response.json()).workers.find((each) => each.model === model);
    if (worker) notes.set(model, worker.note);
    return worker?.note ?? "";
  } catch {
    return "";
  }
}

function stagesOf(response) {
  const header = response.headers.get("Server-Timing") ?? "";
  return [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, name, ms]) => [name, Number(ms)]);
}
