// Sends the chosen picture to POST /predict and shows its classes as bars.
const form = document.getElementById("form");
const picture = document.getElementById("picture");
const message = document.getElementById("message");
const classes = document.getElementById("classes");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new FormData(form);
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(body.get("image"));
  picture.hidden = false;
  classes.replaceChildren();
  message.textContent = "Looking at it …";
  try {
    const response = await fetch("/predict", { method: "POST", body });
    const answer = await response.json();
    message.textContent = answer.success ? `Answered by ${answer.model}:` : answer.detail;
    classes.replaceChildren(...(answer.predictions ?? []).map(bar));
  } catch {
    message.textContent = "The service does not answer. Is it still running?";
  }
});

function bar({ label, probability }) {
  const item = document.createElement("li");
  const meter = document.createElement("meter");
  meter.value = probability;
  item.append(meter, `${label.replaceAll("_", " ")} ${(probability * 100).toFixed(1)} %`);
  return item;
}
