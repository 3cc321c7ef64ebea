// The API key: kept for this tab, also over a reload, and nowhere else.

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
    return null; // a browser that keeps nothing for us; the page still remembers until it is left
  }
}
