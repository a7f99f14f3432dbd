// Builds elements out of plain text (nothing that a run holds is ever read as HTML), and writes numbers and times.

/**
 * An element. Properties that begin with "on" are listeners, "class" and names with a dash are attributes.
 * @param {string} name @param {object} [properties] @param {...(Node|string|null)} children
 */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [of, to] of Object.entries(value)) element.style.setProperty(of, to);
    else if (key === "class" || key === "role" || key.includes("-")) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function number(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-4 ? value.toExponential(4) : String(Number(value.toPrecision(6)));
}

export function bytes(count) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= size) return `${(count / size).toFixed(1)} ${unit}`;
  }
  return `${count} bytes`;
}

export function moment(seconds) {
  return seconds ? new Date(seconds * 1000).toLocaleString() : "";
}

export function duration(seconds) {
  if (!(seconds >= 0)) return "";
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const at = parts.findIndex(([, size]) => seconds >= size);
  if (at < 0) return `${seconds.toFixed(1)} s`;
  const [unit, size] = parts[at];
  const rest = parts[at + 1];
  const whole = Math.floor(seconds / size);
  return rest ? `${whole} ${unit} ${Math.floor((seconds - whole * size) / rest[1])} ${rest[0]}` : `${whole} ${unit}`;
}

/** Calls `draw` for an element when it first comes near the screen. */
export function whenSeen(element, draw) {
  element.draw = draw;
  seen.observe(element);
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      entry.target.draw();
    }
  },
  { rootMargin: "300px" },
);

/** Opens the dialog with this in it. */
export function enlarge(title, ...children) {
  const dialog = document.getElementById("large");
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close");
  dialog.replaceChildren(h("div", { class: "tools" }, h("b", {}, title), close), ...children);
  dialog.showModal();
  return dialog;
}

export function isDark() {
  return document.documentElement.dataset.theme === "dark";
}

/** The colour of the nth run. */
export function colour(at) {
  const known = ["#2f6fde", "#e0672c", "#1f9d61", "#b13fc4", "#d03a4c", "#0f93a8", "#9a7a12", "#6a5ad0"];
  return at < known.length ? known[at] : `hsl(${(at * 137.5) % 360} 60% 50%)`;
}
