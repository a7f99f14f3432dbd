// Where the page has its data from: the server that serves it, or itself (a page in one file).

class Server {
  embedded = false;

  async #get(address) {
    const response = await fetch(address);
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  }

  runs() {
    return this.#get("api/runs");
  }

  run(id) {
    return this.#get(`api/runs/${id}`);
  }

  /** @param {[string, string][]} curves run and key @returns {Promise<({x: number[], y: (number|null)[], of: number}|null)[]>} */
  async curves(curves, { axis = "auto", begin = null, end = null, most = 1000 } = {}) {
    const body = JSON.stringify({ curves, axis, begin, end, most });
    const response = await fetch("api/curves", { method: "POST", body });
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  }

  media(id, key) {
    return this.#get(`api/runs/${id}/media?key=${encodeURIComponent(key)}`);
  }

  console(id, begin, most) {
    return this.#get(`api/runs/${id}/console?begin=${begin}&most=${most}`);
  }

  async text(id, path) {
    const response = await fetch(this.address(id, path));
    if (!response.ok) throw new Error(await response.text());
    return response.text();
  }

  address(id, path) {
    return `file/${id}/${path.split("/").map(encodeURIComponent).join("/")}`;
  }

  /** Puts a page of a run into a frame that can reach nothing. */
  frame(frame, id, item) {
    frame.src = this.address(id, item.file).replace(/^file/, "frame");
  }

  parity() {
    return this.#get("api/parity");
  }

  /** Both sides of a metric (its number in the comparison) or of the console. */
  sides(pair, of, range) {
    const within = range ? `&begin=${range.begin}&end=${range.end}` : "";
    return this.#get(`api/parity/${pair}?of=${encodeURIComponent(of)}${within}`);
  }

  /** Where a media file of a comparison is: wandb's, and SwanLab's. */
  storedAddress(pair, path) {
    return `parity/${pair}/swanlab/${path.split("/").map(encodeURIComponent).join("/")}`;
  }

  parityAddress(pair, path) {
    return `parity/${pair}/wandb/${path.split("/").map(encodeURIComponent).join("/")}`;
  }
}

class Embedded {
  embedded = true;
  #held;

  constructor(held) {
    this.#held = held;
  }

  async runs() {
    return this.#held.runs;
  }

  async run(id) {
    return this.#held.run[id].detail;
  }

  async curves(curves, { axis = "auto", begin = null, end = null } = {}) {
    return curves.map(([id, key]) => {
      const { detail, curves: held } = this.#held.run[id] ?? { curves: {} };
      const curve = held[key];
      if (!curve) return null;
      const declared = detail.columns.find((column) => column.key === key)?.x;
      const x = this.#axis(held, curve, axis === "auto" ? declared || "step" : axis, detail.started);
      const points = x.map((at, place) => [at, curve.y[place]]);
      const inside = points.filter(
        ([at]) => at !== null && (begin === null || at >= begin) && (end === null || at <= end),
      );
      inside.sort((one, other) => one[0] - other[0]);
      const of = begin === null ? curve.of : inside.length;
      return { x: inside.map((point) => point[0]), y: inside.map((point) => point[1]), of };
    });
  }

  #axis(held, curve, axis, started) {
    if (axis === "time") return curve.times;
    if (axis === "relative") return curve.times.map((time) => time - started);
    const against = axis === "step" ? undefined : held[axis];
    if (!against) return curve.steps;
    const at = new Map(against.steps.map((step, place) => [step, against.y[place]]));
    return curve.steps.map((step) => at.get(step) ?? null);
  }

  async media(id, key) {
    return this.#held.run[id].media[key];
  }

  async console(id, begin, most) {
    const { lines, total } = this.#held.run[id].console;
    return { total, lines: lines.slice(begin, begin + most) };
  }

  async text(id, path) {
    const response = await fetch(this.address(id, path));
    return response.text();
  }

  address(id, path) {
    return this.#held.run[id].files[path] ?? "";
  }

  frame(frame, id, item) {
    const script = document.getElementById("plotly")?.textContent;
    const address = /<script[^>]*\ssrc="https:\/\/cdn\.plot\.ly\/plotly-[^"]*"[^>]*>\s*<\/script>/g;
    frame.srcdoc = script ? item.page.replace(address, () => `<script>${script}</script>`) : item.page;
  }

  async parity() {
    return this.#held.parity;
  }

  async sides(pair, of) {
    return this.#held.sides[pair][of];
  }

  storedAddress(pair, path) {
    const run = this.#held.parity.pairs[pair].run;
    return run ? this.address(run, path) : "";
  }

  parityAddress(pair, path) {
    return this.#held.parityFiles[pair]?.[path] ?? "";
  }
}

const held = document.getElementById("data");
export const source = held ? new Embedded(JSON.parse(held.textContent)) : new Server();
