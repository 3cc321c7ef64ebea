// Adding pictures: by the file dialog, by drag and drop, from the clipboard, or the sample.

const input = document.getElementById("files");
const choose = document.getElementById("choose");
const sample = document.getElementById("sample");
const notice = document.getElementById("notice");

/** Call `take` with the files that the user adds. */
export function takePictures(take) {
  const taken = (files, otherwise) => {
    notice.textContent = files.length ? "" : otherwise;
    if (files.length) take([...files]);
  };

  choose.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    taken(input.files, "");
    input.value = ""; // so that the same picture can be chosen again
  });

  sample.addEventListener("click", async () => {
    const file = await fetchSample().catch(() => null);
    taken(file ? [file] : [], "The sample could not be loaded: the service does not respond.");
  });

  document.addEventListener("paste", (event) => {
    if (event.target.matches?.("input")) return; // the API key
    taken(event.clipboardData.files, "There is no picture in the clipboard.");
  });

  // Files can be dropped anywhere: outside of a drop target, the browser would open them instead of this page.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", event.dataTransfer.types.includes("Files"));
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    taken(event.dataTransfer.files, "This is not a file. Save the picture first, or copy it and paste it here.");
  });
}

async function fetchSample() {
  const path = document.body.dataset.sample;
  const response = await fetch(path);
  if (!response.ok) throw new Error(`status ${response.status}`);
  const picture = await response.blob();
  return new File([picture], path.split("/").pop(), { type: picture.type });
}
