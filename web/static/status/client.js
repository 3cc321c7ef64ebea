// Fetches the status from the web server, and says what is wrong where it cannot.

import { apiKey, forgetApiKey } from "../api_key.js";

// A web server whose Redis hangs answers within 3 s.
const TIMEOUT_MS = 4000;

/** Why there is no status: a `heading`, a `detail`, and `wantsKey` where an API key would help. */
export class Unavailable extends Error {
  constructor(heading, detail, wantsKey = false) {
    super(detail);
    Object.assign(this, { heading, detail, wantsKey });
  }
}

/**
 * Fetch what `/status.json` says now.
 * @throws {Unavailable}
 */
export async function fetchStatus() {
  const key = apiKey();
  const response = await ask(key);
  const answer = (await response.json().catch(() => null)) ?? {};
  if (response.ok && answer.server) return answer;
  throw explain(response, key, answer.detail);
}

async function ask(key) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    return await fetch(document.body.dataset.source, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    const detail = "This page goes on asking. Check that a web server runs and that you are connected to the network.";
    throw new Unavailable("No web server can be reached", detail);
  }
}

function explain({ status, headers }, key, detail = `The answer had the status ${status}.`) {
  // A proxy has limits of its own, which pass.
  const own = headers.get("Content-Type")?.startsWith("application/problem+json");
  if (status === 429 && key && own) return new Unavailable("Too many wrong API keys", detail, true);
  if (status !== 401) return new Unavailable("No status can be read", detail);
  const words = key ? "The service does not know this key." : "This service requires an API key.";
  forgetApiKey(key);
  return new Unavailable("An API key is required", words, true);
}
