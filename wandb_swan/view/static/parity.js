// What differs between wandb's record and SwanLab's.
import { h } from "./dom.js";

export function parity() {
  return h("p", { class: "empty" }, "not yet");
}
