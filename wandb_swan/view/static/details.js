// What is no chart: the config and the summary beside those of other runs, the console, the files, the run itself.
import { source } from "./data.js";
import { bytes, duration, h, moment } from "./dom.js";
import { written } from "./tables.js";

/** A nested value as paths and leaves. */
export function leaves(value, path = []) {
  const inside = value && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length;
  if (!inside) return [[path.join("."), value]];
  return Object.entries(value).flatMap(([key, held]) => leaves(held, [...path, key]));
}

function json(value) {
  return value === undefined ? "" : JSON.stringify(value);
}

/** Values of several runs in columns, with those that differ marked. */
function sideBySide(runs, trees, what) {
  const flat = trees.map((tree) => new Map(leaves(tree).filter(([path]) => path)));
  const paths = [...new Set(flat.flatMap((map) => [...map.keys()]))].sort((one, other) => one.localeCompare(other, undefined, { numeric: true }));
  const differing = paths.filter((path) => new Set(flat.map((map) => json(map.get(path)))).size > 1);
  const find = h("input", { type: "search", placeholder: `Find in the ${what}`, "aria-label": `Find in the ${what}`, oninput: () => show() });
  const only = h("input", { type: "checkbox", onchange: () => show() });
  const place = h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": what });
  const show = () => {
    const text = find.value.toLowerCase();
    const kept = paths.filter((path) => (!only.checked || differing.includes(path)) && path.toLowerCase().includes(text));
    const rows = kept.map((path) => {
      const marked = runs.length > 1 && differing.includes(path) ? { class: "differs" } : {};
      return h("tr", marked, h("th", { scope: "row" }, path), ...flat.map((map) => h("td", {}, json(map.get(path)))));
    });
    const head = h("tr", {}, h("th", {}, "key"), ...runs.map((run) => h("th", { scope: "col" }, run.name)));
    place.replaceChildren(kept.length ? h("table", {}, head, ...rows) : h("p", { class: "empty" }, `no ${what} here`));
  };
  show();
  const several = runs.length > 1 ? h("label", {}, only, `only what differs (${differing.length})`) : null;
  return h("section", {}, h("div", { class: "tools" }, find, several), place);
}

export function config(runs) {
  return h("div", {}, sideBySide(runs, runs.map((run) => run.config), "config"));
}

export function summary(runs) {
  return h("div", {}, sideBySide(runs, runs.map((run) => run.summary), "summary"));
}

/** What is known of each run itself. */
export function about(runs) {
  return h("div", {}, ...runs.map((run) => {
    const ours = run.wandb_run ?? {};
    const parity = ours.parity ? `${ours.parity.identical ? "identical to wandb's record" : "not identical to wandb's record"} (${ours.parity.how}, ${moment(ours.parity.checked)})` : "";
    const facts = {
      Name: run.name,
      Notes: run.description,
      Tags: (run.tags ?? []).join(", "),
      Project: run.project,
      Group: run.group,
      "Job type": run.job_type,
      State: run.state + (run.error ? `: ${run.error}` : ""),
      Started: moment(run.started),
      Finished: moment(run.finished),
      Took: run.finished ? duration(run.finished - run.started) : "",
      Points: run.points.toLocaleString(),
      Compared: parity,
      Folder: run.folder,
      Command: run.machine?.runtime?.command,
      Machine: [run.machine?.runtime?.os_pretty, run.machine?.hardware?.cpu?.brand].filter(Boolean).join(", "),
    };
    const rows = Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]);
    const lost = leaves(ours.not_mirrored ?? {}).filter(([path]) => path);
    return h(
      "section",
      { class: "of-run", style: { "--run": run.colour } },
      h("h2", {}, run.name),
      h("dl", { class: "facts" }, ...rows),
      lost.length ? h("div", {}, h("p", { class: "told" }, "Not carried over from wandb:"), h("dl", { class: "facts" }, ...lost.flatMap(([path, value]) => [h("dt", {}, path), h("dd", {}, written(value))]))) : null,
    );
  }));
}

const LINES = 2000;
// eslint-disable-next-line no-control-regex
const COLOURS = /\x1b\[[0-9;?]*[A-Za-z]/g;

/** The console of each run, stderr marked, more on demand. */
export function consoles(runs) {
  return h("div", {}, ...runs.map((run) => {
    const place = h("pre", { class: "console", tabIndex: 0, role: "log", "aria-label": `Console of ${run.name}` });
    const find = h("input", { type: "search", placeholder: "Find lines", "aria-label": `Find lines of ${run.name}`, oninput: () => filter() });
    const more = h("button", { type: "button", onclick: () => load() }, "More lines");
    const count = h("span", { class: "note" });
    const filter = () => {
      const text = find.value.toLowerCase();
      for (const line of place.children) line.hidden = !line.textContent.toLowerCase().includes(text);
    };
    const load = async () => {
      const { total, lines } = await source.console(run.id, place.children.length, LINES);
      place.append(...lines.map(([text, err, at]) => h("span", { class: err ? "err" : "", title: moment(at) }, `${text.replace(COLOURS, "")}\n`)));
      count.textContent = total ? `${place.children.length} of ${total} lines` : "no lines";
      more.hidden = place.children.length >= total || !lines.length;
      filter();
    };
    load().catch((error) => place.replaceChildren(h("span", { class: "problem" }, error.message)));
    return h("section", { class: "of-run", style: { "--run": run.colour } }, h("h2", {}, run.name), h("div", { class: "tools" }, find, count, more), place);
  }));
}

export function files(runs) {
  return h("div", {}, ...runs.map((run) => {
    const rows = run.files.map(({ path, size }) => {
      const address = source.address(run.id, path);
      const name = path.replace(/^files\//, "");
      return h("tr", {}, h("td", {}, address ? h("a", { href: address, download: name.split("/").at(-1) }, name) : name), h("td", { class: "number" }, bytes(size)));
    });
    const head = h("tr", {}, h("th", {}, "file"), h("th", {}, "size"));
    return h("section", { class: "of-run", style: { "--run": run.colour } }, h("h2", {}, run.name), h("div", { class: "scroll" }, h("table", {}, head, ...rows)));
  }));
}
