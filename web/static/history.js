// The history: a row of buttons, each of which shows its picture again.

import { percent, plain } from "./words.js";

const section = document.getElementById("history");
const list = section.querySelector("ul");
const STATES = { waiting: "Waiting", working: "Looking …", retrying: "Trying again", locked: "API key required" };
const NO_PREVIEW = new URL("no_preview.svg", import.meta.url).href;
const items = new Map();
// Only previews near the view are loaded: those of thousands of pictures would take gigabytes.
const previews = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) target.src = target.dataset.url;
      else target.removeAttribute("src");
    }
  },
  { rootMargin: "50%" },
);

/** Show a picture's state in its item, and create the item if necessary. */
export function showItem(picture, select) {
  const item = items.get(picture) ?? newItem(picture, select);
  const best = picture.answer?.predictions[0];
  const done = picture.state === "done";
  item.dataset.state = picture.state;
  const words = done ? plain(best.label) : (STATES[picture.state] ?? picture.problem.title);
  item.querySelector(".label").textContent = words;
  item.querySelector(".share").textContent = done ? percent(best.probability) : "";
  section.hidden = items.size < 2;
}

/** Mark the item of the selected picture. */
export function markItem(picture) {
  for (const [each, item] of items) item.querySelector("button").setAttribute("aria-current", each === picture);
}

function newItem(picture, select) {
  const item = document.getElementById("history-item").content.cloneNode(true).firstElementChild;
  const image = item.querySelector("img");
  image.dataset.url = picture.url;
  image.alt = picture.file.name;
  image.addEventListener("error", () => (image.src = image.dataset.url = NO_PREVIEW), { once: true });
  previews.observe(image);
  item.querySelector("button").addEventListener("click", () => select(picture));
  list.prepend(item);
  items.set(picture, item);
  return item;
}
