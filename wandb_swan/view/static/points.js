// Point clouds and molecules: points in space that a mouse, a finger or the arrow keys turn.
import { h } from "./dom.js";

const ELEMENTS = { C: "#9aa4b0", H: "#f2f2f2", O: "#ff5a4f", N: "#5b8cff", S: "#ffd23f", P: "#ff9a3c" };

/** Points of SwanLab's point cloud file: `{points: [[x, y, z, ...]], boxes: [...]}`. */
export function cloudOf(text) {
  const held = JSON.parse(text);
  const points = (held.points ?? []).map(([x, y, z, ...rest]) => ({ x, y, z, colour: colourOf(rest) }));
  const edges = [];
  for (const box of held.boxes ?? []) edges.push(...edgesOf(box));
  return { points, edges };
}

function colourOf(rest) {
  if (rest.length >= 3) return `rgb(${rest.slice(0, 3).map(Number).join(" ")})`;
  if (rest.length === 1) return `hsl(${(Number(rest[0]) * 67) % 360} 80% 62%)`;
  return "#6cb0ff";
}

function edgesOf(box) {
  const corners = box.corners ?? [];
  const pairs = [[0, 1], [0, 2], [0, 4], [1, 3], [1, 5], [2, 3], [2, 6], [3, 7], [4, 5], [4, 6], [5, 7], [6, 7]];
  const at = (corner) => ({ x: corner[0], y: corner[1], z: corner[2] });
  const colour = Array.isArray(box.color) ? `rgb(${box.color.map(Number).join(" ")})` : "#ffd23f";
  return pairs.filter(([one, other]) => corners[one] && corners[other]).map(([one, other]) => [at(corners[one]), at(corners[other]), colour]);
}

/** The atoms of a molecule in the PDB format. */
export function moleculeOf(text) {
  const lines = text.split("\n").filter((line) => /^(ATOM|HETATM)/.test(line));
  const points = lines.map((line) => {
    const [x, y, z] = [30, 38, 46].map((at) => Number(line.slice(at, at + 8)));
    const element = (line.slice(76, 78).trim() || line.slice(12, 16).trim().replace(/[^A-Z].*$/, "").slice(0, 1)).toUpperCase();
    return { x, y, z, colour: ELEMENTS[element] ?? "#c58cff" };
  });
  const edges = [];
  if (points.length <= 400) {
    points.forEach((one, at) => {
      for (const other of points.slice(at + 1)) {
        if (Math.hypot(one.x - other.x, one.y - other.y, one.z - other.z) < 1.9) edges.push([one, other, "#59636e"]);
      }
    });
  }
  return { points, edges };
}

/** A canvas that shows points in space. */
export function space({ points: given, edges }, label) {
  const points = given.filter((point) => Number.isFinite(point.x + point.y + point.z));
  const canvas = h("canvas", { class: "points", tabIndex: 0, role: "img", "aria-label": `${label}: ${points.length} points in space; the arrow keys turn it` });
  const all = [...points, ...edges.flatMap(([one, other]) => [one, other])];
  const middle = {};
  let reach = 0;
  for (const axis of ["x", "y", "z"]) {
    const [low, high] = all.reduce(([a, b], point) => [Math.min(a, point[axis]), Math.max(b, point[axis])], [Infinity, -Infinity]);
    middle[axis] = (low + high) / 2;
    reach = Math.max(reach, high - low);
  }
  const view = { turn: 0.6, tilt: -0.5, zoom: 1 };

  function draw() {
    const scale = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const pen = canvas.getContext("2d");
    const size = (Math.min(canvas.width, canvas.height) / (reach || 1)) * 0.62 * view.zoom;
    const [sin, cos, up, level] = [Math.sin(view.turn), Math.cos(view.turn), Math.sin(view.tilt), Math.cos(view.tilt)];
    const place = (point) => {
      const [x, y, z] = [point.x - middle.x, point.y - middle.y, point.z - middle.z];
      const [across, deep] = [x * cos - y * sin, x * sin + y * cos];
      return [canvas.width / 2 + across * size, canvas.height / 2 - (z * level - deep * up) * size, deep * level + z * up];
    };
    for (const [one, other, colour] of edges) {
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.moveTo(...place(one).slice(0, 2));
      pen.lineTo(...place(other).slice(0, 2));
      pen.stroke();
    }
    const placed = points.map((point) => [...place(point), point.colour]).sort((one, other) => other[2] - one[2]);
    const dot = Math.max(1.5, Math.min(7, 260 / Math.sqrt(points.length))) * scale * 0.6;
    for (const [x, y, , colour] of placed) {
      pen.fillStyle = colour;
      pen.fillRect(x - dot / 2, y - dot / 2, dot, dot);
    }
  }

  function turned(across, down) {
    view.turn += across;
    view.tilt = Math.max(-1.6, Math.min(1.6, view.tilt + down));
    draw();
  }

  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => event.buttons && turned(event.movementX / 120, -event.movementY / 120));
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.15], ArrowDown: [0, -0.15] }[event.key];
    if (by) turned(...by);
    else if (event.key === "+" || event.key === "-") {
      view.zoom *= event.key === "+" ? 1.2 : 1 / 1.2;
      draw();
    } else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(canvas);
  return canvas;
}
