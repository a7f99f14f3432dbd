// Curves of metrics: a card each, of all selected runs, thinned by the server and asked for again where one zooms in.
/* global echarts */
import { source } from "./data.js";
import { enlarge, h, isDark, moment, number, whenSeen } from "./dom.js";

/** How charts are drawn; the toolbar changes it. */
export const settings = { axis: "auto", smoothing: 0, log: false };

const drawn = new Set();

/** Draws every chart on the page again, as the settings now are. */
export function redraw() {
  for (const chart of Array.from(drawn)) {
    if (chart.element.isConnected) chart.draw();
    else chart.dispose();
  }
}

window.addEventListener("resize", () => drawn.forEach((chart) => chart.instance?.resize()));

/** An exponential moving average, without the bias of its begin (as W&B and TensorBoard have it). */
export function smoothed(values, weight) {
  let last = 0;
  let seen = 0;
  return values.map((value) => {
    if (value === null) return null;
    last = last * weight + (1 - weight) * value;
    seen += 1;
    return last / (1 - weight ** seen);
  });
}

export function theme() {
  const dark = isDark();
  return {
    text: dark ? "#c3cad3" : "#3d444d",
    line: dark ? "#39404a" : "#e3e6ea",
    back: dark ? "#22272f" : "#ffffff",
  };
}

/** A plot, with what all of them share. */
export function plot(element, option) {
  const instance = echarts.getInstanceByDom(element) ?? echarts.init(element, isDark() ? "dark" : null);
  instance.setOption({ backgroundColor: "transparent", animation: false, ...option }, true);
  return instance;
}

class Chart {
  /** @param {HTMLElement} element @param {{key: string, runs: object[], system: boolean}} what */
  constructor(element, what) {
    this.element = element;
    this.what = what;
    this.range = null;
    drawn.add(this);
    element.tabIndex = 0;
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** + and - zoom about the middle, the arrows move, 0 shows all: what a drag does, for who has no mouse. */
  #key(event) {
    const xs = (this.curves ?? []).flatMap((curve) => (curve?.x.length ? [curve.x[0], curve.x.at(-1)] : []));
    if (!xs.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const { begin, end } = this.range ?? { begin: Math.min(...xs), end: Math.max(...xs) };
    const [middle, half] = [(begin + end) / 2, (end - begin) / 2];
    const about = (at, reach) => ({ begin: at - reach, end: at + reach });
    const to = { "+": about(middle, half / 2), "-": about(middle, half * 2), ArrowLeft: about(middle - half / 2, half), ArrowRight: about(middle + half / 2, half), 0: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.zoomTo(to);
  }

  get axis() {
    return this.what.system && settings.axis === "auto" ? "relative" : settings.axis;
  }

  async draw() {
    const { key, runs } = this.what;
    const asked = { axis: this.axis, most: this.range ? 8000 : 1000, ...this.range };
    const pairs = runs.map((run) => [run.id, key]);
    let curves;
    try {
      curves = await (this.range ? source.curves(pairs, asked) : together(pairs, asked));
    } catch (error) {
      this.element.replaceChildren(h("p", { class: "problem" }, error.message));
      return;
    }
    if (!this.element.isConnected) return;
    this.curves = curves;
    this.instance?.dispose();
    this.instance = plot(this.element, this.#option(curves));
    this.instance.on("datazoom", (event) => this.#zoom(event));
    this.instance.getZr().on("dblclick", () => this.zoomTo(null));
    this.instance.dispatchAction({ type: "takeGlobalCursor", key: "dataZoomSelect", dataZoomSelectActive: true });
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", this.#spoken(curves));
    this.element.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }

  #zoom(event) {
    const { startValue, endValue } = event.batch?.[0] ?? event;
    if (startValue !== undefined && endValue > startValue) this.zoomTo({ begin: startValue, end: endValue });
  }

  zoomTo(range) {
    this.range = range;
    this.draw();
  }

  #option(curves) {
    const { text, line, back } = theme();
    const time = this.axis === "time";
    const series = [];
    curves.forEach((curve, at) => {
      if (!curve) return;
      const run = this.what.runs[at];
      const base = { type: "line", name: run.name, color: run.colour, symbol: "circle", symbolSize: 4 };
      const shown = curve.x.length < 60;
      const pair = (y) => curve.x.map((x, place) => [time ? x * 1000 : x, y[place]]);
      const raw = { ...base, data: pair(curve.y), showSymbol: shown, lineStyle: { width: 1.4 }, connectNulls: false };
      if (settings.smoothing > 0) {
        const faint = { ...raw, lineStyle: { width: 1, opacity: 0.3 }, showSymbol: false, silent: true, tooltip: { show: false } };
        const smooth = { ...raw, data: pair(smoothed(curve.y, settings.smoothing)), lineStyle: { width: 1.8 }, showSymbol: false };
        series.push(faint, smooth);
      } else series.push(raw);
    });
    return {
      series,
      grid: { left: 8, right: 14, top: 12, bottom: 6, containLabel: true },
      tooltip: {
        trigger: "axis",
        renderMode: "richText",
        confine: true,
        backgroundColor: back,
        textStyle: { color: text, fontSize: 12 },
        valueFormatter: number,
        axisPointer: { label: { formatter: (at) => (time ? moment(at.value / 1000) : number(at.value)) } },
      },
      toolbox: { show: true, itemSize: 0, top: -40, feature: { dataZoom: { yAxisIndex: "none", filterMode: "none" } } },
      xAxis: {
        type: time ? "time" : "value",
        min: "dataMin",
        max: "dataMax",
        axisLabel: { color: text, hideOverlap: true, ...(time ? {} : { formatter: number }) },
        splitLine: { show: false },
        axisLine: { lineStyle: { color: line } },
      },
      yAxis: {
        type: settings.log ? "log" : "value",
        scale: true,
        axisLabel: { color: text, formatter: number },
        splitLine: { lineStyle: { color: line } },
      },
    };
  }

  #spoken(curves) {
    const runs = this.what.runs.map((run, at) => {
      const values = (curves[at]?.y ?? []).filter((value) => value !== null);
      if (!values.length) return `${run.name}: no values`;
      const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
      return `${run.name}: ${curves[at].of} points, from ${number(low)} to ${number(high)}, last ${number(values.at(-1))}`;
    });
    return `${this.what.key}${this.range ? ", a part" : ""}. ${runs.join("; ")}`;
  }

  dispose() {
    this.instance?.dispose();
    drawn.delete(this);
  }
}

let waiting = null;

/** Charts that come onto the screen at the same time are asked for in one question. */
function together(pairs, asked) {
  const kind = JSON.stringify(asked);
  if (waiting?.kind !== kind) {
    const open = { kind, pairs: [] };
    open.answer = new Promise((resolve) => setTimeout(resolve, 0)).then(() => {
      if (waiting === open) waiting = null;
      return source.curves(open.pairs, asked);
    });
    waiting = open;
  }
  const { answer, pairs: all } = waiting;
  const first = all.length;
  all.push(...pairs);
  return answer.then((curves) => curves.slice(first, first + pairs.length));
}

/** A card with the curve of one metric of several runs. */
export function chartCard(what) {
  const { key, name, runs, columns } = what;
  const element = h("div", { class: "plot" });
  const chart = new Chart(element, what);
  const odd = columns.reduce((sum, column) => sum + (column.odd ?? 0), 0);
  const axis = columns.find((column) => column.x)?.x;
  const reset = h("button", { type: "button", "aria-label": `Show all of ${name}`, onclick: () => chart.zoomTo(null) }, "All");
  const values = h("button", { type: "button", "aria-label": `Values of ${name}`, onclick: () => showValues(what, chart) }, "Values");
  const large = h("button", { type: "button", "aria-label": `Enlarge ${name}`, onclick: () => showLarge(what) }, "Enlarge");
  const notes = [axis ? `over ${axis}` : "", odd ? `${odd} values are NaN or infinite` : ""].filter(Boolean);
  whenSeen(element, () => chart.draw());
  return h(
    "article",
    { class: "card", "data-key": key },
    h("h3", {}, h("span", {}, name), reset, values, large),
    notes.length ? h("p", { class: "note" }, notes.join("; ")) : null,
    element,
    runs.length ? null : h("p", { class: "note" }, "no values"),
  );
}

function showLarge(what) {
  const element = h("div", { class: "plot tall" });
  enlarge(what.name, h("p", { class: "note" }, "Drag over a range, or type + to zoom in; a double click, or 0, shows all again."), element);
  new Chart(element, what).draw();
}

async function showValues(what, chart) {
  const asked = { axis: chart.axis, most: 1_000_000, ...chart.range };
  const curves = await source.curves(what.runs.map((run) => [run.id, what.key]), asked);
  const rows = [];
  curves.forEach((curve, at) => curve?.x.forEach((x, place) => rows.push([what.runs[at].name, x, curve.y[place] ?? "not finite"])));
  const shown = rows.slice(0, 2000).map(([run, x, y]) =>
    h("tr", {}, h("td", {}, run), h("td", { class: "number" }, String(x)), h("td", { class: "number" }, String(y))),
  );
  const head = h("tr", {}, h("th", {}, "run"), h("th", {}, chart.axis === "auto" ? "X" : chart.axis), h("th", {}, what.name));
  const more = rows.length > shown.length ? h("p", { class: "note" }, `the first ${shown.length} of ${rows.length}; zoom in for the others`) : null;
  enlarge(what.name, h("div", { class: "scroll" }, h("table", {}, head, ...shown)), more);
}
