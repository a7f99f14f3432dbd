// The page: the runs at the side, a tab for each way to look at those that are selected.
import { chartCard, redraw, settings } from "./charts.js";
import { source } from "./data.js";
import { about, config, consoles, files, summary } from "./details.js";
import { colour, h, moment } from "./dom.js";
import { mediaCard } from "./media.js";
import { parity } from "./parity.js";

const TABS = {
  differences: ["Differences", parity],
  charts: ["Charts", () => cards(false)],
  system: ["System", () => cards(true)],
  console: ["Console", consoles],
  config: ["Config", config],
  summary: ["Summary", summary],
  files: ["Files", files],
  about: ["Run", about],
};
const LIVE = 5000; // ms between two looks at runs that go on
const READING = 1000; // and at runs that the server is still reading

const content = document.getElementById("content");
const state = { tab: "", heads: [], selected: new Set(), details: new Map(), find: "", shows: 0 };

function say(text) {
  document.getElementById("status").textContent = text;
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem("theme", name);
  } catch {
    // a page in a file has no storage
  }
}

function savedTheme() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}

/** The sections of charts and media of the selected runs, grouped by what stands before the first slash. */
function cards(system) {
  const runs = chosen();
  const columns = new Map();
  for (const run of runs) {
    for (const column of run.columns.filter((one) => one.system === system)) {
      const id = `${column.kind === "scalar" ? "" : column.kind} ${column.key}`;
      if (!columns.has(id)) columns.set(id, { ...column, runs: [], columns: [] });
      columns.get(id).runs.push(run);
      columns.get(id).columns.push(column);
    }
  }
  const groups = new Map();
  for (const column of columns.values()) {
    const parts = column.key.split("/");
    const from = system && parts[0] === "system" ? 1 : 0;
    const group = parts.length > from + 1 ? parts.slice(0, from + 1).join("/") : "";
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(column);
  }
  const place = h("div");
  const fill = () => {
    const wanted = matcher(state.find);
    const order = [...groups].sort(([one], [other]) => (one === "") - (other === "") || one.localeCompare(other));
    const sections = order.map(([group, held]) => section(group, held.filter((column) => wanted(column.key)), groups.size));
    place.replaceChildren(...sections.filter(Boolean));
    if (!place.children.length) place.append(h("p", { class: "empty" }, columns.size ? "nothing is named so" : "nothing is recorded here"));
  };
  fill();
  return h("div", {}, toolbar(columns, fill), place);
}

function matcher(text) {
  try {
    const pattern = new RegExp(text, "i");
    return (key) => pattern.test(key);
  } catch {
    return (key) => key.toLowerCase().includes(text.toLowerCase());
  }
}

function section(group, columns) {
  if (!columns.length) return null;
  const order = [...columns].sort((one, other) => (one.kind !== "scalar") - (other.kind !== "scalar") || one.key.localeCompare(other.key, undefined, { numeric: true }));
  const shown = h("div", { class: "cards" }, ...order.map((column) => (column.kind === "scalar" ? chartCard(column) : mediaCard(column))));
  const title = group === "" ? "Charts" : group;
  return h("section", { class: "group" }, h("details", { open: true }, h("summary", {}, `${title} `, h("small", {}, `${columns.length}`)), shown));
}

function toolbar(columns, fill) {
  const scalars = [...columns.values()].filter((column) => column.kind === "scalar" && !column.system);
  const axes = [["auto", "as declared"], ["step", "step"], ["relative", "seconds since the start"], ["time", "wall time"]];
  const axis = h(
    "select",
    { onchange: () => { settings.axis = axis.value; redraw(); } },
    ...[...axes, ...scalars.map(({ key }) => [key, key])].map(([value, name]) => h("option", { value, selected: settings.axis === value }, name)),
  );
  const weight = h("output", {}, String(settings.smoothing));
  const smoothing = h("input", {
    type: "range", min: 0, max: 0.99, step: 0.01, value: settings.smoothing,
    oninput: () => { settings.smoothing = Number(smoothing.value); weight.textContent = smoothing.value; redraw(); },
  });
  const log = h("input", { type: "checkbox", checked: settings.log, onchange: () => { settings.log = log.checked; redraw(); } });
  const find = h("input", { type: "search", value: state.find, placeholder: "Find metrics (a regular expression)", "aria-label": "Find metrics", oninput: () => { state.find = find.value; fill(); } });
  return h("div", { class: "tools", role: "toolbar", "aria-label": "Charts" }, find, h("label", {}, "X axis", axis), h("label", {}, "Smoothing", smoothing, weight), h("label", {}, log, "log scale"));
}

function isReading(head) {
  return !head.problem && (head.read === undefined || head.read < 1);
}

function chosen() {
  return state.heads.filter((head) => state.selected.has(head.id) && state.details.has(head.id)).map((head) => ({ ...state.details.get(head.id), colour: head.colour }));
}

async function show() {
  state.shows += 1;
  const mine = state.shows;
  content.setAttribute("aria-busy", "true");
  const missing = [...state.selected].filter((id) => !state.details.has(id));
  if (missing.length) say("reading the run");
  await Promise.all(missing.map(async (id) => {
    try {
      state.details.set(id, await source.run(id));
    } catch (error) {
      const head = state.heads.find((one) => one.id === id);
      head.problem = error.message;
      state.selected.delete(id);
      listRuns();
    }
  }));
  say("");
  const runs = chosen();
  const [, draw] = TABS[state.tab];
  for (const tab of document.querySelectorAll("#tabs button")) {
    const is = tab.dataset.tab === state.tab;
    tab.setAttribute("aria-selected", String(is));
    tab.tabIndex = is ? 0 : -1;
  }
  content.setAttribute("aria-label", TABS[state.tab][0]);
  const shown = runs.length || state.tab === "differences" ? await draw(runs) : h("p", { class: "empty" }, "Choose a run at the side.");
  if (mine !== state.shows) return; // another choice was made meanwhile
  content.replaceChildren(shown);
  content.setAttribute("aria-busy", "false");
  document.title = `${runs.length === 1 ? runs[0].name : `${runs.length} runs`} | wandb-swan view`;
}

function choose(tab) {
  state.tab = tab;
  history.replaceState(null, "", `#${tab}`);
  return show();
}

function tabs(names) {
  const bar = document.getElementById("tabs");
  bar.replaceChildren(...names.map((name) => h("button", { type: "button", role: "tab", "data-tab": name, "aria-controls": "content", onclick: () => choose(name) }, TABS[name][0])));
  bar.onkeydown = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = names[(names.indexOf(state.tab) + by + names.length) % names.length];
    choose(next);
    bar.querySelector(`[data-tab="${next}"]`).focus();
  };
}

function listRuns() {
  const wanted = matcher(document.getElementById("runs-search").value);
  const rows = state.heads.filter((head) => wanted(`${head.project ?? ""} ${head.name} ${head.run ?? ""} ${(head.tags ?? []).join(" ")}`)).map((head) => {
    const box = h("input", { type: "checkbox", "data-run": head.id, checked: state.selected.has(head.id), disabled: Boolean(head.problem), onchange: () => {
      if (box.checked) state.selected.add(head.id);
      else state.selected.delete(head.id);
      show();
    } });
    const about = head.problem ? h("small", { class: "problem" }, head.problem) : h("small", {}, [isReading(head) ? `reading, ${Math.floor((head.read ?? 0) * 100)} %` : "", head.project, isReading(head) ? "" : head.state, moment(head.started), head.damage].filter(Boolean).join(", "));
    return h("label", { class: "run", style: { "--run": head.colour } }, box, h("span", {}, h("b", {}, head.name), about));
  });
  const place = document.getElementById("runs");
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.run : null;
  place.replaceChildren(...rows);
  if (focused) place.querySelector(`[data-run="${focused}"]`)?.focus();
  document.getElementById("runs-count").textContent = `(${rows.length === state.heads.length ? rows.length : `${rows.length} of ${state.heads.length}`})`;
}

/** Selects all runs that are listed, or none. */
function chooseRuns(all) {
  state.selected.clear();
  const listed = [...document.querySelectorAll("#runs input:enabled")].map((box) => box.dataset.run);
  if (all) listed.forEach((id) => state.selected.add(id));
  listRuns();
  show();
}

async function look() {
  const told = await source.runs();
  const known = new Map(state.heads.map((head) => [head.id, head]));
  state.heads = told.runs.map((head, at) => ({ ...head, name: head.name || head.folder.split("/").at(-1), colour: colour(at) }));
  listRuns();
  const changed = state.heads.filter((head) => state.selected.has(head.id) && known.get(head.id)?.points !== undefined && known.get(head.id).points !== head.points);
  for (const head of changed) state.details.delete(head.id);
  if (changed.length && (state.tab === "charts" || state.tab === "system")) {
    await Promise.all(changed.map(async (head) => state.details.set(head.id, await source.run(head.id))));
    const same = changed.every((head) => document.querySelectorAll("[data-key]").length >= state.details.get(head.id).columns.filter((column) => column.system === (state.tab === "system")).length);
    if (same && !state.find) redraw();
    else await show();
  }
  return told;
}

async function keepUp() {
  const going = state.heads.some((head) => isReading(head) || head.state === "unfinished");
  if (!source.embedded && going && !document.hidden) {
    try {
      await look();
      say("");
    } catch {
      say("the server has ended; type the command again to go on");
    }
  }
  setTimeout(keepUp, state.heads.some(isReading) ? READING : LIVE);
}

async function begin() {
  theme(savedTheme() ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () => {
    theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    show();
  });
  document.getElementById("runs-search").addEventListener("input", listRuns);
  document.getElementById("runs-all").addEventListener("click", () => chooseRuns(true));
  document.getElementById("runs-none").addEventListener("click", () => chooseRuns(false));
  document.getElementById("runs-fold").open = matchMedia("(min-width: 761px)").matches;
  const told = await look();
  const shown = Object.keys(TABS).filter((name) => name !== "differences" || told.parity);
  tabs(shown);
  const latest = state.heads.find((head) => !head.problem);
  if (latest) state.selected.add(latest.id);
  listRuns();
  const asked = location.hash.slice(1);
  await choose(shown.includes(asked) ? asked : shown[0]);
  if (told.note) say(told.note);
  document.documentElement.dataset.ready = "true";
  setTimeout(keepUp, READING);
}

begin().catch((error) => content.replaceChildren(h("p", { class: "problem" }, error.message)));
