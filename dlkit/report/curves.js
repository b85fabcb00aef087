"use strict";
(() => {
  const holder = document.getElementById("panels");
  const { runs, columns, xs } = JSON.parse(document.getElementById("rows").textContent);
  const space = document.querySelector("svg").namespaceURI;
  const WIDTH = 560, HEIGHT = 300, LEFT = 66, RIGHT = 12, TOP = 10, BOTTOM = 34;
  const seen = runs.map(() => true);
  const splits = [...new Set(columns.map((column) => column.split))];
  const DASHES = splits.length > 1 ? { valid: "", test: "2 3", train: "6 3" } : {};
  const splitSeen = Object.fromEntries(splits.map((split) => [split, true]));
  const panels = [];
  let x = xs[0], zoom = null;

  const make = (tag, attributes = {}, parent = null, content = "") => {
    const drawn = ["svg", "path", "line", "rect", "text", "g", "circle"].includes(tag);
    const node = drawn ? document.createElementNS(space, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (content) node.textContent = content;
    if (parent) parent.append(node);
    return node;
  };
  const colour = (at) => at < 8 ? `var(--c${at})` : `hsl(${(at * 137.5) % 360} 60% var(--bright))`;
  const hue = (curve) => colour(runs.length > 1 ? curve.run : splits.indexOf(curve.split));
  const short = (value) => value === 0 ? "0"
    : Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3 ? value.toExponential(2).replace(/\.?0+e/, "e")
    : String(Number(value.toPrecision(5)));

  // -- what a panel shows ----------------------------------------------------------------------
  const curvesOf = (measure) => runs.flatMap((run, at) => columns
    .filter((column) => column.measure === measure && run.rows[column.name])
    .map((column) => ({ run: at, split: column.split, name: column.name, y: run.rows[column.name] })));
  const visible = (panel) => panel.curves.filter((curve) => seen[curve.run] && splitSeen[curve.split]);
  const along = (curve) => runs[curve.run].rows[x] || [];

  const span = (values, log) => {
    let low = Infinity, high = -Infinity;
    for (const value of values) {
      if (value === null || value === undefined || (log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) return log ? [0.1, 1] : [0, 1];
    if (low === high) return log ? [low / 2, high * 2] : [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(low) || 1) * 0.1];
    return [low, high];
  };
  function* inView(panel) {
    for (const curve of visible(panel)) {
      const at = along(curve);
      for (let i = 0; i < at.length; i += 1) if (!zoom || (at[i] >= zoom[0] && at[i] <= zoom[1])) yield curve.y[i];
    }
  }
  function* positions() {
    for (let at = 0; at < runs.length; at += 1) if (seen[at]) yield* runs[at].rows[x] || [];
  }
  const scale = ([low, high], from, to, log) => {
    const turn = log ? Math.log10 : (value) => value;
    const a = turn(low), b = turn(high);
    const place = (value) => from + (turn(value) - a) / (b - a) * (to - from);
    place.back = (pixel) => { const t = a + (pixel - from) / (to - from) * (b - a); return log ? 10 ** t : t; };
    return place;
  };
  const ticks = ([low, high], log, count, least = 0) => {
    if (log && Math.log10(high / low) >= 1.5) {
      const first = Math.ceil(Math.log10(low)), last = Math.floor(Math.log10(high));
      const step = Math.max(1, Math.ceil((last - first + 1) / count));
      const found = [];
      for (let power = first; power <= last; power += step) found.push(10 ** power);
      return found;
    }
    const rough = Math.max((high - low) / count, least), unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((times) => times * unit).find((one) => one >= rough) || rough;
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9 && found.length < 50; i += 1) found.push(i * step);
    return found;
  };

  // -- drawing ----------------------------------------------------------------------------------
  const axes = (panel) => {
    const { group, px, py, xspan, yspan, log } = panel;
    for (const value of ticks(yspan, log, 5)) {
      const y = py(value);
      make("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }, group);
      make("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, group, short(value));
    }
    for (const value of ticks(xspan, false, 6, x === "seconds" ? 0 : 1)) {
      const at = px(value);
      make("line", { class: "grid", x1: at, x2: at, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4 }, group);
      make("text", { x: at, y: HEIGHT - BOTTOM + 16, "text-anchor": at > WIDTH - RIGHT - 16 ? "end" : "middle" }, group, short(value));
    }
    make("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, group, x);
  };
  const pathOf = (panel, curve) => {
    const { px, py, log } = panel, at = along(curve);
    let d = "", pen = false;
    for (let i = 0; i < at.length; i += 1) {
      const value = curve.y[i];
      if (at[i] === null || at[i] === undefined) continue;
      if (value === null || (log && value <= 0)) continue;
      d += `${pen ? "L" : "M"}${px(at[i]).toFixed(1)} ${py(value).toFixed(1)}`;
      pen = true;
    }
    return d;
  };
  const draw = (panel) => {
    panel.group.replaceChildren();
    panel.marks.replaceChildren();
    panel.xspan = zoom || span(positions(), false);
    panel.yspan = span(inView(panel), panel.log);
    panel.px = scale(panel.xspan, LEFT, WIDTH - RIGHT, false);
    panel.py = scale(panel.yspan, HEIGHT - BOTTOM, TOP, panel.log);
    axes(panel);
    const inside = make("g", { "clip-path": `url(#${panel.clip})` }, panel.group);
    for (const curve of visible(panel)) {
      const d = pathOf(panel, curve);
      if (!d) continue;
      make("path", { class: "curve", d, style: `stroke:${hue(curve)}`, "stroke-dasharray": DASHES[curve.split] ?? "" }, inside);
      if (along(curve).length <= 40 || !d.includes("L")) {
        for (const point of d.slice(1).split(/[ML]/)) {
          const [cx, cy] = point.split(" ");
          make("circle", { cx, cy, r: 2.5, style: `fill:${hue(curve)}` }, inside);
        }
      }
    }
  };
  const drawAll = () => { panels.forEach(draw); };

  // -- reading values ---------------------------------------------------------------------------
  const nearest = (values, wanted) => {
    let best = -1, distance = Infinity;
    for (let i = 0; i < values.length; i += 1) {
      if (values[i] === null || values[i] === undefined) continue;
      const far = Math.abs(values[i] - wanted);
      if (far < distance) { best = i; distance = far; }
    }
    return best;
  };
  const read = (panel, wanted, height = null) => {
    panel.at = wanted;
    const found = visible(panel).flatMap((curve) => {
      const at = along(curve), i = nearest(at, wanted);
      return i < 0 || curve.y[i] === null ? [] : [{ curve, x: at[i], y: curve.y[i] }];
    });
    if (height !== null) found.sort((a, b) => Math.abs(panel.py(a.y) - height) - Math.abs(panel.py(b.y) - height));
    const shown = found.slice(0, 8);
    panel.marks.replaceChildren();
    panel.out.replaceChildren();
    if (!shown.length) return;
    const at = panel.px(shown[0].x);
    make("line", { class: "cursor", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM }, panel.marks);
    for (const one of shown) {
      if (!panel.log || one.y > 0) make("circle", { cx: panel.px(one.x), cy: panel.py(one.y), r: 4, style: `fill:${hue(one.curve)}` }, panel.marks);
      const run = runs.length > 1 ? `${runs[one.curve.run].name} ` : "";
      make("span", { style: `color:${hue(one.curve)}` }, panel.out, `${x} ${short(one.x)}: ${run}${one.curve.name} ${short(one.y)}; `);
    }
    if (found.length > shown.length) make("span", {}, panel.out, `and ${found.length - shown.length} more`);
  };

  // -- zooming ----------------------------------------------------------------------------------
  const zoomTo = (low, high) => { zoom = high > low ? [low, high] : zoom; drawAll(); };
  const zoomBy = (factor, panel) => {
    const whole = span(positions(), false), [low, high] = zoom || whole;
    const middle = panel && panel.at !== undefined && panel.at >= low && panel.at <= high ? panel.at : (low + high) / 2;
    const a = Math.max(whole[0], middle - (middle - low) * factor), b = Math.min(whole[1], middle + (high - middle) * factor);
    if (a <= whole[0] && b >= whole[1]) { zoom = null; drawAll(); } else zoomTo(a, b);
  };
  const pan = (share) => {
    if (!zoom) return;
    const whole = span(positions(), false), width = zoom[1] - zoom[0];
    const low = Math.min(Math.max(whole[0], zoom[0] + share * width), whole[1] - width);
    zoomTo(low, low + width);
  };
  const step = (panel, by) => {
    const first = visible(panel).find((curve) => along(curve).length);
    if (!first) return;
    const at = along(first), now = panel.at === undefined ? (by > 0 ? -1 : at.length) : nearest(at, panel.at);
    read(panel, at[Math.min(at.length - 1, Math.max(0, now + by))]);
  };
  const KEYS = {
    ArrowRight: (panel) => step(panel, 1), ArrowLeft: (panel) => step(panel, -1),
    PageDown: (panel) => step(panel, 10), PageUp: (panel) => step(panel, -10),
    Home: (panel) => step(panel, -Infinity), End: (panel) => step(panel, Infinity),
    "+": (panel) => zoomBy(0.5, panel), "-": (panel) => zoomBy(2, panel),
    0: () => { zoom = null; drawAll(); }, l: (panel) => panel.toggle.click(),
  };

  const listen = (panel) => {
    const { svg } = panel;
    let began = null;
    const place = (event) => {
      const box = svg.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width * WIDTH, (event.clientY - box.top) / box.height * HEIGHT];
    };
    svg.addEventListener("pointermove", (event) => {
      const [at, height] = place(event);
      read(panel, panel.px.back(at), height);
      if (began !== null) make("rect", { class: "drag", x: Math.min(began, at), y: TOP, width: Math.abs(at - began), height: HEIGHT - BOTTOM - TOP }, panel.marks);
    });
    svg.addEventListener("pointerdown", (event) => { [began] = place(event); svg.setPointerCapture(event.pointerId); });
    svg.addEventListener("pointerup", (event) => {
      const [at] = place(event), from = began;
      began = null;
      if (from !== null && Math.abs(at - from) > 6) zoomTo(...[from, at].map(panel.px.back).sort((a, b) => a - b));
    });
    svg.addEventListener("pointercancel", () => { began = null; });
    svg.addEventListener("dblclick", () => { zoom = null; drawAll(); });
    svg.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !KEYS[event.key]) return;
      event.preventDefault();
      KEYS[event.key](panel);
    });
  };

  // -- the page ---------------------------------------------------------------------------------
  const button = (name, act, parent) => { make("button", { type: "button" }, parent, name).addEventListener("click", act); };
  const addPanel = (measure, number) => {
    const figure = make("figure", {}, holder);
    make("h3", {}, figure, measure);
    const svg = make("svg", {
      class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, tabindex: 0, role: "application",
      "aria-label": `Curves of ${measure}. Left and right arrows read the values, plus and minus zoom, 0 shows everything, l changes the scale.`,
    }, figure);
    const panel = { measure, svg, log: false, clip: `clip${number}`, curves: curvesOf(measure) };
    const clip = document.createElementNS(space, "clipPath");
    clip.id = panel.clip;
    make("rect", { x: LEFT - 4, y: TOP - 4, width: WIDTH - LEFT - RIGHT + 8, height: HEIGHT - TOP - BOTTOM + 8 }, clip);
    svg.append(clip);
    panel.group = make("g", { "aria-hidden": "true" }, svg);
    panel.marks = make("g", { "aria-hidden": "true" }, svg);
    const bar = make("div", { class: "controls" }, figure), label = make("label", {}, bar);
    panel.toggle = make("input", { type: "checkbox" }, label);
    label.append(" log scale");
    panel.toggle.addEventListener("change", () => { panel.log = panel.toggle.checked; draw(panel); });
    const lines = Math.ceil(Math.min(panel.curves.length, 8) / 2);
    panel.out = make("p", { class: "readout", "aria-live": "polite", style: `min-height: ${1.6 * Math.min(lines, 4)}em` }, figure);
    listen(panel);
    panels.push(panel);
  };
  const addLegend = (names, state, keys, look, title) => {
    if (names.length < 2) return;
    const legend = make("fieldset", { class: "legend" }, document.getElementById("legend"));
    make("legend", {}, legend, title);
    const boxes = keys.map((key, at) => {
      const label = make("label", {}, legend), box = make("input", { type: "checkbox" }, label);
      box.checked = true;
      box.addEventListener("change", () => { state[key] = box.checked; drawAll(); });
      make("line", { x1: 0, x2: 26, y1: 6, y2: 6, "stroke-width": 3, ...look(at) }, make("svg", { width: 26, height: 12, "aria-hidden": "true" }, label));
      label.append(names[at]);
      return box;
    });
    const all = (on) => () => { boxes.forEach((box, at) => { box.checked = on; state[keys[at]] = on; }); drawAll(); };
    if (names.length > 4) { button("all", all(true), legend); button("none", all(false), legend); }
  };

  addLegend(runs.map((run) => run.name), seen, runs.map((_, at) => at), (at) => ({ style: `stroke:${colour(at)}` }), "Runs");
  addLegend(splits.map((split) => split || "other"), splitSeen, splits, (at) => ({
    style: `stroke:${runs.length > 1 ? "var(--ink)" : colour(at)}`, "stroke-dasharray": DASHES[splits[at]] ?? "",
  }), "Rows");
  const controls = document.getElementById("controls"), label = make("label", {}, controls, "along ");
  const select = make("select", {}, label);
  for (const name of xs) make("option", { value: name }, select, name);
  select.addEventListener("change", () => { x = select.value; zoom = null; panels.forEach((panel) => { panel.at = undefined; }); drawAll(); });
  button("zoom in", () => zoomBy(0.5), controls);
  button("zoom out", () => zoomBy(2), controls);
  button("earlier", () => pan(-0.5), controls);
  button("later", () => pan(0.5), controls);
  button("show everything", () => { zoom = null; drawAll(); }, controls);
  [...new Set(columns.map((column) => column.measure))].forEach(addPanel);
  drawAll();
})();
