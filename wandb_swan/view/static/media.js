// Pictures, sounds, videos, texts, tables, stored charts, pages and 3D scenes: a card each, with a slider over the steps.
import { plot, theme } from "./charts.js";
import { source } from "./data.js";
import { bytes, enlarge, h, isDark, number, whenSeen } from "./dom.js";
import { cloudOf, moleculeOf, space } from "./points.js";
import { table } from "./tables.js";

/** A card with the items of one media metric, of each selected run, at a step that a slider chooses. */
export function mediaCard({ key, name, runs, kind }) {
  const shelf = h("div");
  const card = h("article", { class: "card", "data-key": key, "data-kind": kind }, h("h3", {}, h("span", {}, name)), shelf);
  whenSeen(card, () => fill(shelf, { key, name, runs }));
  return card;
}

async function fill(shelf, { key, name, runs }) {
  let held;
  try {
    held = await Promise.all(runs.map((run) => source.media(run.id, key)));
  } catch (error) {
    shelf.replaceChildren(h("p", { class: "problem" }, error.message));
    return;
  }
  const steps = [...new Set(held.flatMap((media) => media.steps.map((step) => step.step)))].sort((one, other) => one - other);
  const place = h("div");
  const label = h("output");
  const slider = h("input", { type: "range", min: 0, max: steps.length - 1, value: steps.length - 1, "aria-label": `Step of ${name}` });
  const show = () => {
    const step = steps[slider.value];
    label.textContent = `step ${step}`;
    slider.setAttribute("aria-valuetext", `step ${step}, ${Number(slider.value) + 1} of ${steps.length}`);
    place.replaceChildren(...runs.map((run, at) => ofRun(run, held[at], step, name, runs.length > 1)));
  };
  slider.addEventListener("input", show);
  const stepper = h("div", { class: "stepper" }, label, ...(steps.length > 1 ? [slider] : []));
  const over = steps.length > 1 && held.some((media) => media.steps.some((step) => histogramOf(step.items[0]))) ? overSteps(runs, held, name) : null;
  shelf.replaceChildren(stepper, place, ...(over ? [over] : []));
  show();
  shelf.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
}

function ofRun(run, media, step, name, several) {
  const at = media.steps.find((one) => one.step === step);
  const head = several ? h("div", { class: "note" }, run.name) : null;
  const items = at ? at.items.map((item) => show(run, media.kind, item, name)) : [h("p", { class: "note" }, "nothing at this step")];
  return h("div", { class: several ? "of-run" : "", style: { "--run": run.colour } }, head, h("div", { class: "shelf" }, ...items));
}

function show(run, kind, item, name) {
  if (item.missing) return h("p", { class: "problem" }, `${item.file} ${item.why ?? "is not in the run folder"}`);
  const draw = KINDS[kind] ?? link;
  return draw(run, item, item.caption || `${name}, ${item.file}`);
}

function link(run, item) {
  const address = source.address(run.id, item.file);
  return h("p", {}, h("a", { href: address, download: item.file.split("/").at(-1) }, item.file), ` ${bytes(item.size)}`, caption(item));
}

function caption(item) {
  return item.caption ? h("figcaption", {}, item.caption) : null;
}

const KINDS = {
  image: picture,
  video(run, item, label) {
    if (/\.gif$/i.test(item.file)) return picture(run, item, label);
    return h("figure", {}, h("video", { src: source.address(run.id, item.file), controls: true, "aria-label": label }), caption(item));
  },
  audio(run, item, label) {
    return h("figure", {}, h("audio", { src: source.address(run.id, item.file), controls: true, preload: "metadata", "aria-label": label }), caption(item));
  },
  text(run, item) {
    return h("figure", {}, h("pre", {}, item.text), caption(item));
  },
  html(run, item, label) {
    const frame = h("iframe", { title: label, loading: "lazy", "sandbox": "allow-scripts", referrerPolicy: "no-referrer" });
    source.frame(frame, run.id, item);
    return h("figure", { style: { width: "100%" } }, frame, caption(item));
  },
  echarts: stored,
  object3d: scene(cloudOf, /\.json$/i),
  molecule: scene(moleculeOf, /\.pdb$/i),
};

function picture(run, item, label) {
  const image = h("img", { src: source.address(run.id, item.file), alt: label, loading: "lazy" });
  image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth < 64));
  const button = h("button", { type: "button", style: { padding: 0, border: 0 }, "aria-label": `Enlarge ${label}` }, image);
  button.addEventListener("click", () => enlarge(label, h("img", { src: image.src, alt: label })));
  return h("figure", {}, button, caption(item));
}

function scene(parse, shown) {
  return (run, item, label) => {
    if (!shown.test(item.file)) return h("div", {}, h("p", { class: "note" }, "This format is not drawn here:"), link(run, item));
    const place = h("figure", { style: { width: "100%" } });
    source
      .text(run.id, item.file)
      .then((text) => place.append(space(parse(text), label), ...[caption(item)].filter(Boolean)))
      .catch((error) => place.append(h("p", { class: "problem" }, `${item.file}: ${error.message}`)));
    return place;
  };
}

/** A stored chart: SwanLab's table, or ECharts as they are. */
function stored(run, item, label) {
  let option;
  try {
    option = JSON.parse(item.text);
  } catch (error) {
    return h("p", { class: "problem" }, `${item.file} is no JSON: ${error.message}`);
  }
  if (option._swanLab === "table") {
    const fields = (option.colDefs ?? []).map((column) => column.field);
    const rows = (option.rowData ?? []).map((row) => fields.map((field) => row[field]));
    return h("figure", { style: { width: "100%" } }, table(fields, rows), caption(item));
  }
  const place = h("div", { class: "plot tall", role: "img", "aria-label": label });
  requestAnimationFrame(() => {
    try {
      plot(place, harmless(option));
    } catch (error) {
      place.replaceChildren(h("p", { class: "problem" }, `this chart cannot be drawn: ${error.message}`));
    }
  });
  return h("figure", { style: { width: "100%" } }, place, caption(item));
}

/** An option of ECharts without what leads out of the page: links, and texts that would be read as HTML. */
export function harmless(option) {
  const clean = (value, key) => {
    if (Array.isArray(value)) return value.map((one) => clean(one, key));
    if (value === null || typeof value !== "object") return value;
    const kept = Object.entries(value).filter(([name]) => !["link", "sublink", "toolbox", "extraCssText"].includes(name));
    const made = Object.fromEntries(kept.map(([name, held]) => [name, clean(held, name)]));
    return key === "tooltip" ? { ...made, renderMode: "richText", confine: true } : made;
  };
  const { text } = theme();
  return { textStyle: { color: text }, darkMode: isDark(), ...clean(option), animation: false };
}

/** Edges and counts, where a stored chart is a histogram of ours. */
function histogramOf(item) {
  if (!item?.text?.includes('"edge"')) return null;
  const { dataset, series } = JSON.parse(item.text);
  const edges = dataset?.source?.edge;
  const counts = series?.[0]?.data?.map((bar) => (typeof bar === "object" && bar !== null ? bar.value : bar));
  return edges?.length === counts?.length + 1 ? { edges, counts } : null;
}

const ROWS = 40;

/** Histograms as one picture: steps across, values up, counts as colour. */
function overSteps(runs, held, name) {
  const place = h("div");
  const begin = () => {
    place.replaceChildren();
    runs.forEach((run, at) => {
      const columns = held[at].steps.map((step) => [step.step, histogramOf(step.items[0])]).filter(([, found]) => found);
      if (!columns.length) return;
      const low = Math.min(...columns.map(([, { edges }]) => edges[0]));
      const high = Math.max(...columns.map(([, { edges }]) => edges.at(-1)));
      const height = (high - low) / ROWS || 1;
      const data = columns.flatMap(([, found], column) => rebinned(found, low, height).map((count, row) => [column, row, count]));
      const element = h("div", { class: "plot tall", role: "img", "aria-label": `${name} of ${run.name}: histograms over steps` });
      place.append(h("div", { class: "note" }, run.name), element);
      plot(element, {
        grid: { left: 8, right: 70, top: 10, bottom: 6, containLabel: true },
        tooltip: { renderMode: "richText", confine: true, formatter: ({ value: [column, row, count] }) => `step ${columns[column][0]}, ${number(low + row * height)} to ${number(low + (row + 1) * height)}: ${number(count)}` },
        xAxis: { type: "category", data: columns.map(([step]) => step), name: "step" },
        yAxis: { type: "category", data: Array.from({ length: ROWS }, (_, row) => number(low + row * height)) },
        visualMap: { min: 0, max: Math.max(...data.map(([, , count]) => count)), right: 0, top: "middle", calculable: false, formatter: number },
        series: [{ type: "heatmap", data, progressive: 0 }],
      });
    });
  };
  const fold = h("details", {}, h("summary", { class: "note" }, "Histograms over steps"), place);
  fold.addEventListener("toggle", () => fold.open && begin());
  return fold;
}

function rebinned({ edges, counts }, low, height) {
  const rows = Array.from({ length: ROWS }, () => 0);
  counts.forEach((count, bin) => {
    const [from, to] = [(edges[bin] - low) / height, (edges[bin + 1] - low) / height];
    for (let row = Math.max(0, Math.floor(from)); row < Math.min(ROWS, Math.ceil(to)); row += 1) {
      const share = (Math.min(to, row + 1) - Math.max(from, row)) / (to - from);
      rows[row] += count * (Number.isFinite(share) ? share : 1);
    }
  });
  return rows;
}
