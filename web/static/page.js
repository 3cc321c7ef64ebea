// The page: sends pictures to the service, shows the selected one, and announces changes to screen readers.

import { keepApiKey } from "./api_key.js";
import { markItem, showItem } from "./history.js";
import { takePictures } from "./intake.js";
import { Pictures } from "./pictures.js";
import { showResult } from "./result.js";
import { classify } from "./service.js";
import { percent, plain, wait } from "./words.js";

const pictures = new Pictures(classify);
const status = document.getElementById("status");
const keyForm = document.getElementById("key-form");
const keyField = document.getElementById("key");
let selected;

takePictures((files) => {
  const [first] = pictures.add(files);
  document.querySelector("main").classList.remove("empty");
  select(first);
});

pictures.addEventListener("change", ({ detail: { picture, entered } }) => {
  showItem(picture, select);
  // Select the next picture if the one before it is selected; an older selection stays.
  const before = pictures.all[pictures.all.indexOf(picture) - 1];
  if (picture.state === "working" && selected === before && before?.state === "done") select(picture);
  else if (picture === selected) showResult(picture);
  if (entered) status.textContent = words(picture) ?? status.textContent;
  if (entered && picture === selected && picture.state === "locked") keyField.focus();
});

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  keepApiKey(keyField.value.trim());
  keyField.value = "";
  pictures.resume(selected);
});

onClick("try-now", () => pictures.resume(selected));
onClick("try-again", () => pictures.repeat(selected));
onClick("cancel", () => pictures.cancel(selected));

function select(picture) {
  selected = picture;
  showResult(picture);
  markItem(picture);
}

function onClick(id, act) {
  document.getElementById(id).addEventListener("click", act);
}

/** The announcement for screen readers when a picture enters a state, if there is one. */
function words({ state, file, answer, problem, secondsLeft }) {
  if (state === "waiting") return undefined;
  if (state === "working") return `Looking at ${file.name}.`;
  if (state === "retrying") return `${problem.title}. ${problem.detail} Next try in ${wait(secondsLeft)}.`;
  if (state !== "done") return `${file.name}: ${problem.title}. ${problem.detail}`;
  const [best] = answer.predictions;
  return `${file.name}: ${plain(best.label)}, ${percent(best.probability)}.`;
}
