// Tables: sorted by a click on a column, found by a text, a page at a time.
import { h, number } from "./dom.js";

const PAGE = 50;

/**
 * @param {string[]} columns @param {any[][]} rows
 * @param {(row: number, column: number) => boolean} [marked] which cells differ from another table
 */
export function table(columns, rows, marked = () => false) {
  let order = rows.map((_, at) => at);
  let page = 0;
  let sorted = null;
  const body = h("tbody");
  const where = h("span", { class: "note", role: "status" });
  const head = h("tr", {}, ...columns.map((name, at) => h("th", { scope: "col" }, h("button", { type: "button", onclick: () => sort(at) }, name))));

  function sort(column) {
    const down = sorted?.column === column && !sorted.down;
    sorted = { column, down };
    [...head.children].forEach((cell, at) => {
      if (at === column) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    order.sort((one, other) => compare(rows[one][column], rows[other][column]) * (down ? -1 : 1));
    page = 0;
    show();
  }

  function show() {
    const part = order.slice(page * PAGE, (page + 1) * PAGE);
    body.replaceChildren(...part.map((row) => h("tr", {}, ...columns.map((_, column) => cell(rows[row][column], marked(row, column))))));
    const end = page * PAGE + part.length;
    where.textContent = order.length ? `rows ${page * PAGE + 1} to ${end} of ${order.length}` : "no rows";
    earlier.disabled = page === 0;
    later.disabled = end >= order.length;
  }

  const turn = (by) => () => {
    page += by;
    show();
  };
  const earlier = h("button", { type: "button", onclick: turn(-1) }, "Earlier");
  const later = h("button", { type: "button", onclick: turn(1) }, "Later");
  const find = h("input", {
    type: "search",
    placeholder: "Find in the table",
    "aria-label": "Find in the table",
    oninput: () => {
      const text = find.value.toLowerCase();
      order = rows.map((_, at) => at).filter((at) => !text || rows[at].some((value) => written(value).toLowerCase().includes(text)));
      page = 0;
      show();
    },
  });
  show();
  const long = rows.length > PAGE;
  return h(
    "div",
    {},
    h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Table" }, h("table", {}, h("thead", {}, head), body)),
    h("div", { class: "stepper" }, where, ...(long ? [earlier, later, find] : [])),
  );
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return written(one).localeCompare(written(other), undefined, { numeric: true });
}

export function written(value) {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

function cell(value, marked) {
  const properties = marked ? { class: "differs" } : {};
  if (typeof value === "number") return h("td", { class: `number ${marked ? "differs" : ""}`, title: String(value) }, number(value));
  return h("td", properties, written(value));
}
