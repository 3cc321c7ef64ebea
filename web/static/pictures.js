// The list of pictures: classifies them one after another, and retries after a wait.

import { Problem } from "./service.js";

// Before each further try of a picture, where the service does not say when; the last one again and again.
const WAITS_S = [2, 5, 10, 30];

/**
 * All pictures, the oldest first. Dispatches "change" when a picture's state or countdown changes. `detail.picture` is
 * the picture; `detail.entered` is true if its state is new.
 *
 * A picture's `state` is `waiting` while earlier ones are classified, `working`, `retrying` with the `secondsLeft`,
 * `locked` until there is an API key, `done` with an `answer`, or `failed` with a `problem`.
 */
export class Pictures extends EventTarget {
  all = [];
  #classify;
  #running = false;

  constructor(classify) {
    super();
    this.#classify = classify;
  }

  /** Add files, and return their pictures. */
  add(files) {
    const added = Array.from(files, (file) => ({ file, url: URL.createObjectURL(file) }));
    this.all.push(...added);
    added.forEach((picture) => this.#wait(picture));
    this.#run();
    return added;
  }

  /** Cancel a picture that is not finished. */
  cancel(picture) {
    picture.problem = new Problem("Cancelled", "This picture was not classified.", { repeatable: true });
    const waiting = picture.state === "waiting";
    picture.giveUp.abort();
    if (waiting) this.#set(picture, "failed");
  }

  /** Classify a failed picture again. */
  repeat(picture) {
    this.#wait(picture);
    this.#run();
  }

  /** Immediately retry a picture that is `retrying` or `locked`. */
  resume(picture) {
    picture.goOn?.();
  }

  #wait(picture) {
    picture.giveUp = new AbortController();
    this.#set(picture, "waiting");
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    for (let picture; (picture = this.all.find(({ state }) => state === "waiting")); ) await this.#finish(picture);
    this.#running = false;
  }

  async #finish(picture) {
    const { signal } = picture.giveUp;
    for (let tries = 0; !signal.aborted; tries++) {
      this.#set(picture, "working");
      try {
        picture.answer = await this.#classify(picture.file, signal);
        return this.#set(picture, "done");
      } catch (problem) {
        if (signal.aborted) break;
        picture.problem = problem;
        if (problem.passes) await this.#pause(picture, "retrying", problem.retryAfterS || waitS(tries));
        else if (problem.wantsKey) await this.#pause(picture, "locked");
        else break;
      }
    }
    this.#set(picture, "failed");
  }

  /** Wait until the picture is resumed or cancelled, or until the seconds have passed. */
  async #pause(picture, state, seconds = Infinity) {
    const end = Date.now() + seconds * 1000;
    let timer;
    await new Promise((goOn) => {
      const tick = () => {
        picture.secondsLeft = Math.ceil((end - Date.now()) / 1000);
        if (picture.secondsLeft <= 0) goOn();
        else this.#set(picture, state);
      };
      picture.goOn = goOn;
      picture.giveUp.signal.addEventListener("abort", goOn);
      timer = setInterval(tick, 1000);
      tick();
    });
    clearInterval(timer);
  }

  #set(picture, state) {
    const entered = picture.state !== state;
    picture.state = state;
    this.dispatchEvent(new CustomEvent("change", { detail: { picture, entered } }));
  }
}

function waitS(tries) {
  return WAITS_S[Math.min(tries, WAITS_S.length - 1)];
}
