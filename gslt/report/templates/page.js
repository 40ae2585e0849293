
"use strict";

// Tables: a click, or Enter or Space, on a heading sorts by its column; once more turns it round.
function sortBy(heading) {
  const table = heading.closest("table"), body = table.tBodies[0];
  const index = heading.cellIndex;
  const up = heading.getAttribute("aria-sort") !== "ascending";
  const key = (row) => {
    const value = row.cells[index].dataset.value;
    return value === undefined ? null : heading.classList.contains("text") ? value : Number(value);
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  const rows = Array.from(body.rows, (row) => ({ row, key: key(row) }));
  rows.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return up ? compare(a.key, b.key) : compare(b.key, a.key);
  });
  for (const other of heading.parentNode.cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...rows.map((each) => each.row));
}
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sortBy(button.parentNode));
}

// Comparisons: two lists leave the rows of the arms that are picked, in either order.
for (const filter of document.querySelectorAll(".filter")) {
  const [one, other] = filter.querySelectorAll("select");
  const rows = document.getElementById(filter.dataset.table).tBodies[0].rows;
  const apply = () => {
    for (const row of rows) {
      const [a, b] = [row.dataset.first, row.dataset.second];
      const fits = (x, y) => (!one.value || one.value === x) && (!other.value || other.value === y);
      row.hidden = !(fits(a, b) || fits(b, a));
    }
  };
  one.addEventListener("change", apply);
  other.addEventListener("change", apply);
}

// What is folded opens where a link leads into it.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let each = target && target.closest("details"); each; each = each.parentElement.closest("details")) each.open = true;
}
addEventListener("hashchange", unfold);
unfold();

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
});

// Figures
const LEAST_WIDTH = 640, HEIGHT = 440, TOP = 14, LEFT = 70, LINE = 14;
const DASHES = ["none", "7 4", "2 3", "9 3 2 3"];
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = "12px " + getComputedStyle(document.body).fontFamily;

function element(name, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

const precise = (value) => Number(value.toPrecision(6));
const written = (value) =>
  Math.abs(value) >= 10000 ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : String(precise(value));

function evenTicks(low, high, number) {
  const rough = (high - low) / number, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((each) => each >= rough);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(precise(k * step));
  return ticks;
}

function logTicks(low, high) {
  if (high < 6 * low) return evenTicks(low, high, 6).filter((tick) => tick > 0);
  const ticks = [], fine = high < 2000 * low ? [1, 2, 5] : [1];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const n of fine) if (n * 10 ** power >= low && n * 10 ** power <= high) ticks.push(precise(n * 10 ** power));
  }
  return ticks;
}

function scale(values, log, from, to, pad) {
  let low = Math.min(...values), high = Math.max(...values);
  log = log && low > 0;
  const forward = log ? Math.log10 : (v) => v, back = log ? (v) => 10 ** v : (v) => v;
  let [a, b] = [forward(low), forward(high)];
  const margin = pad * (b - a) || (log ? 0.1 : Math.abs(a) * 0.05 || 0.5);
  [a, b] = [a - margin, b + margin];
  const place = (value) => from + ((forward(value) - a) / (b - a)) * (to - from);
  place.log = log;
  place.ticks = log ? logTicks(back(a), back(b)) : evenTicks(a, b, 7);
  return place;
}

// Positions at least `gap` apart within bounds, as near to the wanted ones as can be.
function spread(wanted, gap, low, high) {
  gap = Math.min(gap, (high - low) / Math.max(1, wanted.length - 1));
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a] - wanted[b]);
  const pools = [];
  order.forEach((index, rank) => {
    let pool = { mean: wanted[index] - rank * gap, size: 1 };
    while (pools.length && pools[pools.length - 1].mean > pool.mean) {
      const last = pools.pop(), size = last.size + pool.size;
      pool = { mean: (last.mean * last.size + pool.mean * pool.size) / size, size };
    }
    pools.push(pool);
  });
  const level = pools.flatMap((pool) => Array(pool.size).fill(pool.mean));
  const highest = high - (wanted.length - 1) * gap, found = [];
  order.forEach((index, rank) => { found[index] = Math.min(Math.max(level[rank], low), highest) + rank * gap; });
  return found;
}

class Explorer {
  constructor(root, study) {
    this.root = root;
    this.study = study;
    this.x = root.querySelector('[name="x"]');
    this.y = root.querySelector('[name="y"]');
    this.boxes = Array.from(root.querySelectorAll('[name="arm"]'));
    this.plot = root.querySelector(".plot");
    for (const input of [this.x, this.y, ...this.boxes]) input.addEventListener("change", () => this.draw());
    for (const [name, state] of [["all", true], ["none", false]]) {
      root.querySelector(`.${name}`).addEventListener("click", () => {
        for (const box of this.boxes) box.checked = state;
        this.draw();
      });
    }
    let drawn = this.plot.clientWidth;
    new ResizeObserver(() => {
      if (this.plot.clientWidth !== drawn) this.draw();
      drawn = this.plot.clientWidth;
    }).observe(this.plot);
    this.draw();
  }

  // The lines to draw: places on the page's axes, means, deviations.
  lines(x, y) {
    const arms = new Set(this.boxes.filter((box) => box.checked).map((box) => box.value));
    const found = [], drawn = new Map();
    for (const line of this.study.lines[x.column]) {
      const number = drawn.get(line.arm) || 0;
      drawn.set(line.arm, number + 1);
      if (!arms.has(line.arm)) continue;
      const points = [];
      for (const index of line.groups) {
        const group = this.study.groups[index], [mean, std] = group.values[y.column] || [null, null];
        if (mean === null) continue;
        const place = group.places[x.column];
        const at = line.level ? null : x.categories ? x.categories.indexOf(place) : place * x.factor;
        points.push({ at, place, group, mean: mean * y.factor, std: std === null ? null : std * y.factor });
      }
      const dash = DASHES[number % DASHES.length];
      if (points.length) found.push({ ...line, points, dash, colour: this.study.arms[line.arm] });
    }
    return found;
  }

  draw() {
    const x = this.study.columns[this.x.value], y = this.study.columns[this.y.value];
    const lines = this.lines(x, y);
    this.plot.replaceChildren();
    this.bottom = HEIGHT - (x.categories ? 76 : 52);
    const width = Math.max(LEAST_WIDTH, this.plot.clientWidth);
    const label = `${y.label} against ${x.label}: ${lines.map((line) => line.label).join("; ")}`;
    const svg = element("svg", { width, height: HEIGHT, role: "img", "aria-label": label }, this.plot);
    const points = lines.flatMap((line) => line.points);
    if (!points.length) {
      element("text", { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, svg, "No arm that is picked has values here.");
      return;
    }
    // Where arms are the axis, their names stand below it.
    const beside = x.column !== "arm";
    const widest = beside ? Math.max(...lines.map((line) => ruler.measureText(line.label).width)) + 34 : 0;
    const right = width - Math.min(widest, width / 3) - 10;
    const levelled = points.filter((point) => point.at !== null).map((point) => point.at);
    const across = x.categories
      ? scale([-0.4, x.categories.length - 0.6], false, LEFT, right, 0)
      : scale(levelled.length ? levelled : [0, 1], x.log, LEFT, right, 0.04);
    const ends = points.flatMap((point) => [point.mean - (point.std || 0), point.mean + (point.std || 0)]);
    const up = scale(ends, y.log, this.bottom, TOP, 0.06);
    this.axes(svg, x, y, across, up, right, levelled.length > 0);
    for (const line of lines) this.line(svg, line, x, y, across, up, right);
    if (beside) this.names(svg, lines, across, up, right, width / 3 - 34);
  }

  axes(svg, x, y, across, up, right, ticks) {
    for (const tick of up.ticks) {
      const height = up(tick);
      element("line", { class: "grid", x1: LEFT, x2: right, y1: height, y2: height }, svg);
      element("text", { class: "tick", x: LEFT - 8, y: height + 4, "text-anchor": "end" }, svg, written(tick));
    }
    const places = x.categories ? x.categories.map((_, index) => index) : ticks ? across.ticks : [];
    const room = x.categories ? (right - LEFT) / x.categories.length : 0;
    for (const tick of places) {
      const at = across(tick);
      element("line", { class: "grid", x1: at, x2: at, y1: TOP, y2: this.bottom }, svg);
      const name = x.categories ? String(x.categories[tick]) : written(tick);
      const text = element("text", { class: "tick", "text-anchor": "middle" }, svg);
      (x.categories ? wrapped(name, room - 6) : [name]).forEach((part, number) => {
        element("tspan", { x: at, y: this.bottom + 18 + number * LINE }, text, part);
      });
      element("title", {}, text, name);
    }
    element("path", { class: "axis", d: `M${LEFT} ${TOP}V${this.bottom}H${right}` }, svg);
    const note = (column, log) => column.label + (log ? ", logarithmic" : "");
    const middle = (TOP + this.bottom) / 2;
    element("text", { class: "axis-label", x: (LEFT + right) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, svg, note(x, across.log));
    element("text", { class: "axis-label", x: 14, y: middle, "text-anchor": "middle", transform: `rotate(-90 14 ${middle})` }, svg, note(y, up.log));
  }

  line(svg, line, x, y, across, up, right) {
    const group = element("g", { style: `color: ${line.colour}`, class: "series", "data-arm": line.arm }, svg);
    const low = (point) => up(up.log ? Math.max(point.mean - (point.std || 0), point.mean / 100) : point.mean - (point.std || 0));
    const high = (point) => up(point.mean + (point.std || 0));
    if (line.level) {
      const [point] = line.points, height = up(point.mean);
      element("rect", { x: LEFT, width: right - LEFT, y: high(point), height: low(point) - high(point), fill: "currentColor", opacity: 0.1 }, group);
      const drawn = element("path", { d: `M${LEFT} ${height}H${right}`, stroke: "currentColor", "stroke-width": 1.5, "stroke-dasharray": "6 4" }, group);
      this.tell(drawn, point, x, y);
      return;
    }
    const at = (point) => across(point.at);
    const path = (points, height) => points.map((point) => `${at(point)} ${height(point)}`).join("L");
    const back = [...line.points].reverse();
    element("path", { d: `M${path(line.points, low)}L${path(back, high)}Z`, fill: "currentColor", opacity: 0.16, class: "band" }, group);
    element("path", { d: `M${path(line.points, (point) => up(point.mean))}`, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": line.dash }, group);
    for (const point of line.points) {
      if (line.points.length === 1) {
        element("path", { d: `M${at(point)} ${low(point)}V${high(point)}`, stroke: "currentColor", "stroke-width": 1.5 }, group);
      }
      const dot = element("circle", { cx: at(point), cy: up(point.mean), r: 4.5, fill: "currentColor" }, group);
      this.tell(dot, point, x, y);
    }
  }

  // What is known of a point, under the pointer.
  tell(drawn, point, x, y) {
    const spreadOf = point.std === null ? "" : ` ± ${point.std.toPrecision(3)}`;
    const text = [
      point.group.label,
      point.at === null ? "" : `${x.label}: ${x.categories ? point.place : written(point.at)}`,
      `${y.label}: ${precise(point.mean)}${spreadOf}`,
      `n = ${point.group.n}`,
    ].filter(Boolean).join("\n");
    drawn.addEventListener("pointerenter", (event) => {
      const box = this.plot.getBoundingClientRect(), tip = document.createElement("div");
      tip.className = "tip";
      tip.textContent = text;
      this.plot.append(tip);
      tip.style.left = `${Math.min(event.clientX - box.left + 12, box.width - tip.offsetWidth)}px`;
      tip.style.top = `${event.clientY - box.top + 12}px`;
      drawn.addEventListener("pointerleave", () => tip.remove(), { once: true });
    });
  }

  names(svg, lines, across, up, right, room) {
    const wanted = lines.map((line) => up(line.points[line.points.length - 1].mean));
    const names = toldApart(lines.map((line) => line.label), room);
    spread(wanted, 16, TOP + 6, this.bottom - 4).forEach((height, index) => {
      const line = lines[index], last = line.points[line.points.length - 1];
      const from = line.level ? right : across(last.at) + 5;
      const group = element("g", { style: `color: ${line.colour}` }, svg);
      element("path", { d: `M${from} ${wanted[index]}L${right + 10} ${height}`, fill: "none", stroke: "currentColor", "stroke-dasharray": "1 3" }, group);
      element("path", { d: `M${right + 10} ${height}h18`, fill: "none", stroke: "currentColor", "stroke-width": 3, "stroke-dasharray": line.level ? "6 4" : line.dash }, group);
      const text = element("text", { x: right + 33, y: height + 4, class: "name" }, group, names[index]);
      element("title", {}, text, line.label);
    });
  }
}

// Words in at most three lines.
function wrapped(text, room) {
  const parts = [];
  for (const word of text.split(" ")) {
    const longer = parts.length ? `${parts[parts.length - 1]} ${word}` : word;
    if (parts.length && (parts.length === 3 || ruler.measureText(longer).width <= room)) parts[parts.length - 1] = longer;
    else parts.push(word);
  }
  return parts.map((part) => shortened(part, room));
}

// Names that fit: without their ends, or where these tell them apart, without their middle.
function toldApart(names, room) {
  let alike = names.map((name) => new Set([name])), size = 0;
  for (;;) {
    const found = names.map((name, index) => withEnd(name, alike[index], room));
    alike = found.map((words) => new Set(alike.flatMap((others, index) => (found[index] === words ? [...others] : []))));
    const wider = alike.reduce((sum, others) => sum + others.size, 0);
    if (wider === size || wider === names.length) return found;
    size = wider;
  }
}

// A name without its middle: its end begins with the part in which it differs from others.
function withEnd(name, others, room) {
  if (others.size === 1) return shortened(name, room);
  let start = 0;
  while ([...others].every((other) => other[start] === name[start])) start++;
  const part = name.lastIndexOf(", ", start);
  const end = name.slice(part > 0 ? part : start), left = room - ruler.measureText(end).width;
  if (left < 40) return shortened("…" + name.slice(start), room);
  return shortened(name.slice(0, name.length - end.length) + "…", left).replace(/…+$/, "…") + end;
}

function shortened(text, room) {
  if (ruler.measureText(text).width <= room) return text;
  let short = text;
  while (short.length > 1 && ruler.measureText(short + "…").width > room) short = short.slice(0, -1);
  return short + "…";
}

const data = JSON.parse(document.getElementById("data").textContent);
for (const root of document.querySelectorAll(".explorer")) new Explorer(root, data[root.dataset.study]);
