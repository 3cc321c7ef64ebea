// The API key: kept only for this tab, where it survives a reload. All pages of the tab share it, also those that were
// opened before it changed.

const NAME = "api-key";
let key = ""; // where the browser forbids storage

export function apiKey() {
  return stored((storage) => storage.getItem(NAME)) ?? key;
}

export function keepApiKey(value) {
  key = value;
  stored((storage) => storage.setItem(NAME, value));
}

/** Forget a wrong key, unless another one has been entered since it was sent. */
export function forgetApiKey(wrong) {
  if (apiKey() !== wrong) return;
  key = "";
  stored((storage) => storage.removeItem(NAME));
}

function stored(act) {
  try {
    return act(sessionStorage);
  } catch {
    return null; // the browser forbids storage; the key is then lost on a reload
  }
}
