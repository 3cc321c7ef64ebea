// The API key: kept only for this tab, where it survives a reload.

const NAME = "api-key";
let key = stored((storage) => storage.getItem(NAME)) ?? "";

export function apiKey() {
  return key;
}

export function keepApiKey(value) {
  key = value;
  stored((storage) => storage.setItem(NAME, value));
}

export function forgetApiKey() {
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
