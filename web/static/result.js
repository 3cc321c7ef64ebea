// Shows one picture and its result. Text from elsewhere is inserted as text, never as HTML.

import { bytes, duration, percent, plain, wait } from "./words.js";

const element = Object.fromEntries([...document.querySelectorAll("[id]")].map((each) => [each.id, each]));
const parts = element.stage.querySelectorAll("[data-when]");
const STAGES = { decode: "Reading the picture", queue: "Waiting for a worker", inference: "Computing" };
const TITLES = { waiting: "Waiting for its turn", working: "Looking at the picture …" };

element.picture.addEventListener("load", () => {
  showPreview(true);
  outlineWhatIsSeen();
});
element.picture.addEventListener("error", () => showPreview(false));

/** Show a picture in its present state. */
export function showResult(picture) {
  const { state, problem, answer } = picture;
  element.stage.hidden = false;
  showPicture(picture);
  const focused = document.activeElement;
  element.result.dataset.state = state;
  element.result.setAttribute("aria-busy", state === "working");
  for (const part of parts) part.hidden = !part.dataset.when.split(" ").includes(state);
  element["try-again"].hidden ||= !problem?.repeatable;
  element["key-form"].hidden ||= !problem?.wantsKey;
  if (state === "done") showAnswer(answer);
  else showText(element.title, TITLES[state] ?? problem.title);
  showText(element.detail, problem?.detail ?? "");
  showText(element.countdown, wait(picture.secondsLeft ?? 0));
  keepFocus(focused);
}

function showPicture({ file, url }) {
  if (element.picture.getAttribute("src") === url) return;
  showPreview(true);
  element.picture.src = url;
  element.picture.alt = file.name;
  element.name.textContent = file.name;
  element.size.textContent = bytes(file.size);
}

/** Outline the part of the picture that the network sees: the middle, as pictures/framing.py cuts it. */
function outlineWhatIsSeen() {
  const { naturalWidth: width, naturalHeight: height } = element.picture;
  const { crop, share, width: seenWidth, height: seenHeight } = element.seen.dataset;
  element.seen.hidden = crop !== "center" || !width || !height;
  const scale = Math.min(width / seenWidth, height / seenHeight) * share;
  const [across, down] = [(seenWidth * scale) / width, (seenHeight * scale) / height];
  Object.assign(element.seen.style, {
    left: `${(1 - across) * 50}%`,
    top: `${(1 - down) * 50}%`,
    width: `${across * 100}%`,
    height: `${down * 100}%`,
  });
}

function showPreview(possible) {
  element.picture.hidden = !possible;
  element.seen.hidden ||= !possible;
  element["no-preview"].hidden = possible;
}

function showAnswer({ predictions, model, precision, cached, note, stages }) {
  element.title.textContent = plain(predictions[0].label);
  element.classes.replaceChildren(...predictions.map(classRow));
  element.model.textContent = model;
  element.precision.textContent = precision && ` in ${precision}`;
  element.cached.hidden = !cached;
  element.note.textContent = note;
  showTime(stages);
}

function classRow({ label, probability }) {
  const row = document.getElementById("class-row").content.cloneNode(true);
  row.querySelector(".label").textContent = plain(label);
  row.querySelector(".share").textContent = percent(probability);
  row.querySelector(".bar div").style.width = `${probability * 100}%`;
  return row;
}

/** Show each stage as a share of the total time, and the total. */
function showTime(stages) {
  const parts = stages.filter(([name]) => name !== "total");
  const sum = parts.reduce((total, [, ms]) => total + ms, 0);
  const total = stages.find(([name]) => name === "total")?.[1] ?? sum;
  const rows = parts.length ? [...parts, ["other", Math.max(0, total - sum)]] : [];
  element.shares.replaceChildren(...rows.map(([name, ms]) => shareOfTime(name, ms)));
  element.stages.replaceChildren(...[...rows, ["total", total]].map(([name, ms]) => stageRow(name, ms)));
}

function shareOfTime(name, ms) {
  const share = document.createElement("div");
  share.className = name;
  share.style.flexGrow = ms;
  return share;
}

function stageRow(name, ms) {
  const row = document.createElement("div");
  const [term, value] = ["dt", "dd"].map((tag) => document.createElement(tag));
  row.className = name;
  term.textContent = STAGES[name] ?? name[0].toUpperCase() + name.slice(1);
  value.textContent = duration(ms);
  row.append(term, value);
  return row;
}

/** Write only a text that has changed, so that screen readers announce nothing twice. */
function showText(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

/** Move the focus to the heading if the focused button is now hidden. */
function keepFocus(focused) {
  if (element.result.contains(focused) && focused.closest("[hidden]")) element.title.focus();
}
