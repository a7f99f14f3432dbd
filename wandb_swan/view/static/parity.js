// What differs between wandb's record and SwanLab's: the verdicts first, then both sides of whatever one opens.
import { plot, theme } from "./charts.js";
import { source } from "./data.js";
import { enlarge, h, number } from "./dom.js";
import { harmless } from "./media.js";
import { table } from "./tables.js";

const AGAIN = 1000; // ms between two looks while runs are being compared
const SIDES = { wandb: "#e0a100", swanlab: "#2f6fde" };

/** The list of verdicts. */
export async function parity() {
  const place = h("div");
  const find = h("input", { type: "search", placeholder: "Find runs and metrics", "aria-label": "Find runs and metrics", oninput: () => show() });
  const only = h("input", { type: "checkbox", onchange: () => show() });
  let told = await source.parity();

  const show = () => {
    const text = find.value.toLowerCase();
    const pairs = told.pairs.map((pair, at) => ofPair(pair, at, text, only.checked, told.pairs.length === 1)).filter(Boolean);
    const left = told.left_out.map(({ what, reason }) => h("p", { class: "told" }, `not compared: ${what}: ${reason}`));
    const problem = told.problem ? [h("p", { class: "problem" }, told.problem)] : [];
    place.replaceChildren(h("p", {}, sum(told)), ...problem, ...(only.checked ? [] : left), h("div", { class: "list" }, ...pairs));
  };
  const keepUp = async () => {
    if (!told.reading || !place.isConnected) return;
    const before = told.pairs.length;
    told = await source.parity();
    if (told.pairs.length !== before || !told.reading) show();
    setTimeout(keepUp, AGAIN);
  };
  show();
  setTimeout(keepUp, AGAIN);
  return h("div", {}, h("div", { class: "tools" }, find, h("label", {}, only, "only differences")), place);
}

function sum({ pairs, reading, left_out: left }) {
  const same = pairs.filter((pair) => pair.identical).length;
  const points = pairs.reduce((all, pair) => all + pair.points, 0);
  const rest = left.length ? `, ${left.length} not compared` : "";
  return `${same} of ${pairs.length} runs identical, ${points.toLocaleString()} points${rest}${reading ? "; comparing" : ""}`;
}

function mood(identical, told) {
  return identical ? "ok" : told ? "told" : "problem";
}

function ofPair(pair, at, text, onlyDifferences, open) {
  const rows = [
    ...pair.metrics.map((metric, place) => ofMetric(metric, () => sides(at, place, metric))),
    ...pair.parts.map((part) => ofPart(part, part.part === "console" && part.differences.length ? () => lines(at) : null)),
  ];
  const named = `${pair.name} ${pair.run_id} ${pair.wandb}`.toLowerCase().includes(text);
  const kept = rows.filter((row) => (named || row.name.toLowerCase().includes(text)) && !(onlyDifferences && row.same));
  if (!kept.length && (onlyDifferences || !named)) return null;
  kept.sort((one, other) => one.same - other.same);
  const about = [...pair.short, ...pair.not_mirrored.map((loss) => `not carried over: ${loss}`), ...pair.not_compared.map((what) => `not compared: ${what}`)];
  const head = h("tr", {}, ...["metric", "kind", "points", "steps", "compared", "verdict", ""].map((name) => h("th", { scope: "col" }, name)));
  const places = `${pair.wandb} | ${pair.swanlab}`;
  return h(
    "details",
    { open: open || !pair.identical },
    h("summary", {}, h("span", { class: mood(pair.identical, false) }, pair.verdict), ` ${pair.name} (${pair.run_id}), ${pair.points.toLocaleString()} points`),
    h("p", { class: "note" }, places),
    ...about.map((what) => h("p", { class: "told" }, what)),
    h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": `Verdicts of ${pair.name}` }, h("table", {}, h("thead", {}, head), h("tbody", {}, ...kept.map((row) => row.element)))),
  );
}

function ofMetric(metric, open) {
  const points = metric.points_wandb === metric.points_swanlab ? metric.points_wandb : `${metric.points_wandb} | ${metric.points_swanlab}`;
  const steps = metric.first_step === null ? "" : `${metric.first_step} to ${metric.last_step}`;
  const verdict = metric.identical ? "identical" : [metric.verdict, metric.told || metric.examples[0]].filter(Boolean).join(": ");
  const look = h("button", { type: "button", "aria-label": `Both sides of ${metric.metric}`, onclick: open }, "Look");
  const cells = [metric.metric, metric.kind, points, steps, [metric.compared, ...metric.not_compared].filter(Boolean).join("; ")];
  return {
    name: metric.metric,
    same: metric.identical,
    element: h("tr", {}, ...cells.map((cell) => h("td", {}, String(cell))), h("td", { class: mood(metric.identical, metric.told) }, verdict), h("td", {}, look)),
  };
}

function ofPart(part, open) {
  const same = !part.differences.length;
  const verdicts = [...part.differences.map((text) => h("div", { class: "problem" }, text)), ...part.told.map((text) => h("div", { class: "told" }, text))];
  const look = open ? h("button", { type: "button", "aria-label": `Both sides of the ${part.part}`, onclick: open }, "Look") : "";
  return {
    name: part.part,
    same: same && !part.told.length,
    element: h(
      "tr",
      {},
      h("td", {}, part.part),
      ...["part", "", ""].map((text) => h("td", {}, text)),
      h("td", {}, [part.compared, ...part.not_compared].join("; ")),
      h("td", {}, ...(verdicts.length ? verdicts : [h("span", { class: "ok" }, "identical")])),
      h("td", {}, look),
    ),
  };
}

/** Both curves over each other, with the difference below; or the items of each step beside each other. */
async function sides(pair, at, metric) {
  const place = h("div");
  enlarge(`${metric.metric}: wandb | SwanLab`, place);
  const found = await source.sides(pair, at);
  if (found.steps) {
    const none = found.steps.length ? [] : [h("p", { class: "empty" }, "no items on either side")];
    place.replaceChildren(...none, ...found.steps.map((step) => ofStep(pair, step)));
  } else curves(place, pair, at, found);
}

function curves(place, pair, at, found) {
  const element = h("div", { class: "plot", role: "img", "aria-label": "wandb's and SwanLab's curve, and their difference" });
  const differences = (found.difference?.y ?? []).filter((value) => value !== 0).length;
  const words = h("p", { class: differences ? "problem" : "ok" }, differences ? "the difference below is not 0 everywhere" : "the difference below is 0 at every step that both have");
  const all = h("button", { type: "button", onclick: () => draw(null) }, "All");
  place.replaceChildren(words, h("p", { class: "note" }, "Drag over a range to zoom in. ", all), element);
  const { text, line } = theme();
  const draw = async (range) => {
    const told = range ? await source.sides(pair, at, range) : found;
    const series = (name, curve, width, colour, grid) => ({
      name, type: "line", xAxisIndex: grid, yAxisIndex: grid, showSymbol: (curve?.x.length ?? 0) < 60, symbolSize: 4,
      color: colour, lineStyle: { width, color: colour }, data: (curve?.x ?? []).map((x, place) => [x, curve.y[place]]),
    });
    const axis = (grid) => ({ type: "value", gridIndex: grid, min: "dataMin", max: "dataMax", axisLabel: { color: text, formatter: number }, splitLine: { show: false } });
    const up = (grid, name) => ({ type: "value", gridIndex: grid, scale: true, name, axisLabel: { color: text, formatter: number }, splitLine: { lineStyle: { color: line } } });
    const chart = plot(element, {
      legend: { top: 0, textStyle: { color: text } },
      tooltip: { trigger: "axis", renderMode: "richText", confine: true },
      axisPointer: { link: [{ xAxisIndex: "all" }] },
      grid: [{ left: 8, right: 14, top: 34, height: "52%", containLabel: true }, { left: 8, right: 14, bottom: 6, height: "20%", containLabel: true }],
      toolbox: { itemSize: 0, top: -40, feature: { dataZoom: { xAxisIndex: [0, 1], yAxisIndex: "none", filterMode: "none" } } },
      xAxis: [axis(0), axis(1)],
      yAxis: [up(0, ""), up(1, "difference")],
      series: [series("wandb", told.wandb, 5, SIDES.wandb, 0), series("SwanLab", told.swanlab, 1.4, SIDES.swanlab, 0), series("SwanLab less wandb", told.difference, 1.4, "#b3261e", 1)],
    });
    chart.off("datazoom");
    chart.on("datazoom", (event) => {
      const { startValue, endValue } = event.batch?.[0] ?? event;
      if (startValue !== undefined && endValue > startValue) draw({ begin: startValue, end: endValue });
    });
    chart.dispatchAction({ type: "takeGlobalCursor", key: "dataZoomSelect", dataZoomSelectActive: true });
  };
  draw(null);
}

function ofStep(pair, step) {
  const column = (name, items, draw) => h("div", {}, h("p", { class: "note" }, name), ...(items.length ? items.map(draw) : [h("p", { class: "problem" }, "nothing")]));
  const run = pair;
  return h(
    "section",
    {},
    h("h3", { class: step.differs ? "problem" : "" }, `step ${step.step}`),
    h("div", { class: "pair" }, column("wandb", step.wandb, (item) => side(item, source.parityAddress(run, item.file ?? ""))), column("SwanLab", step.swanlab, (item) => side(item, source.storedAddress(run, item.file ?? "")))),
  );
}

function side(item, address) {
  const caption = item.caption ? h("figcaption", {}, item.caption) : null;
  if (item.missing) return h("p", { class: "told" }, `${item.kind}: its file is not there`, caption);
  if (item.rows) {
    const marked = new Set((item.marks ?? []).map(([row, column]) => `${row} ${column}`));
    const more = item.of > item.rows.length ? h("p", { class: "note" }, `the first ${item.rows.length} of ${item.of} rows`) : null;
    return h("figure", {}, table(item.columns, item.rows, (row, column) => marked.has(`${row} ${column}`)), more, caption);
  }
  if (item.kind === "echarts") return chart(item, caption);
  if (item.text !== undefined) return h("figure", {}, h("pre", { class: item.marks ? "differs" : "" }, item.text), caption);
  if (!address) return h("p", { class: "told" }, `${item.file} is not in this page`, caption);
  if (item.kind === "image" || /\.gif$/i.test(item.file)) return h("figure", {}, h("img", { src: address, alt: item.caption || item.file }), caption);
  if (item.kind === "audio") return h("figure", {}, h("audio", { src: address, controls: true }), caption);
  if (item.kind === "video") return h("figure", {}, h("video", { src: address, controls: true }), caption);
  return h("p", {}, h("a", { href: address, download: item.file.split("/").at(-1) }, item.file), caption);
}

function chart(item, caption) {
  const place = h("div", { class: "plot", role: "img", "aria-label": item.caption || "chart" });
  requestAnimationFrame(() => plot(place, harmless(JSON.parse(item.text))));
  return h("figure", {}, place, caption);
}

async function lines(pair) {
  const place = h("pre", { class: "console", tabIndex: 0 });
  enlarge("Console: wandb | SwanLab", place);
  const found = await source.sides(pair, "console");
  const kind = (line) => (line.startsWith("+") || line.startsWith("-") ? "differs" : "");
  place.replaceChildren(...found.lines.map((line) => h("span", { class: kind(line) }, `${line}\n`)));
}
