// Plot of prompts, a histogram or points, on which a drag, a click or the arrow keys select some of them.
"use strict";

// Makes a plot in an element; `selected` is called with {x0, x1, y0, y1} in the units of the axes, or null.
function makeChart(box, selected) {
  const NS = "http://www.w3.org/2000/svg";
  const HEIGHT = 200, LEFT = 52, RIGHT = 14, TOP = 12, BOTTOM = 26, POINT_PX = 7;
  let spec = null, area = null, axes = null, marked = null;

  const element = (name, attributes, text) => {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const short = (value) => String(Number(value.toPrecision(3)));

  function ticks(low, high, count) {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
    const found = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) found.push(Math.abs(tick) < step / 1e6 ? 0 : tick);
    return found;
  }

  function span(values, isPadded) {
    let [low, high] = [Math.min(...values), Math.max(...values)];
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const pad = isPadded ? (high - low) / 25 : 0;
    return [low - pad, high + pad];
  }

  // Bins of one unit for whole numbers, otherwise about as many as the root of their number.
  function bins(values) {
    const [low, high] = span(values, false);
    if (values.every(Number.isInteger) && high - low <= 30) {
      const first = Math.min(...values);
      return { low: first - 0.5, width: 1, count: Math.max(...values) - first + 1 };
    }
    const count = Math.min(30, Math.max(6, Math.round(1.5 * Math.sqrt(values.length))));
    return { low, width: (high - low) / count, count };
  }

  // Draws {kind: bars or points, title, x, y, values: [x, y or null] or null by index, names}.
  function draw(wanted) {
    spec = wanted;
    const known = spec.values.map((value, index) => [value, index]).filter(([value]) => value !== null);
    box.hidden = !known.length;
    if (!known.length) return;
    const width = Math.max(260, box.clientWidth);
    const xs = known.map(([value]) => value[0]);
    axes = { width, groups: [] };
    if (spec.kind === "bars") {
      const { low, width: step, count } = bins(xs);
      axes.groups = Array.from({ length: count }, (_, bin) => ({ x0: low + bin * step, x1: low + (bin + 1) * step, members: [] }));
      for (const [value, index] of known) axes.groups[Math.min(count - 1, Math.floor((value[0] - low) / step))].members.push(index);
      axes.x = [low, low + count * step];
      axes.y = [0, Math.max(...axes.groups.map(({ members }) => members.length))];
    } else {
      axes.x = span(xs, true);
      axes.y = span(known.map(([value]) => value[1]), true);
      if (spec.isSquare) axes.x = axes.y = [Math.min(axes.x[0], axes.y[0]), Math.max(axes.x[1], axes.y[1])];
    }
    axes.px = (x) => LEFT + ((x - axes.x[0]) / (axes.x[1] - axes.x[0])) * (width - LEFT - RIGHT);
    axes.py = (y) => HEIGHT - BOTTOM - ((y - axes.y[0]) / (axes.y[1] - axes.y[0])) * (HEIGHT - TOP - BOTTOM);
    if (spec.kind === "points") {
      const places = new Map();
      for (const [value, index] of known) {
        const place = [axes.px(value[0]), axes.py(value[1])].map(Math.round);
        const group = places.get(place.join()) ?? { place, members: [] };
        group.members.push(index);
        places.set(place.join(), group);
      }
      axes.groups = [...places.values()];
    }
    render();
  }

  function render() {
    const { width, px, py } = axes;
    const svg = element("svg", { width, height: HEIGHT, "aria-hidden": "true" });
    const line = (x1, y1, x2, y2, name) => svg.append(element("line", { x1, y1, x2, y2, class: name }));
    for (const tick of ticks(...axes.x, Math.max(3, Math.round(width / 130)))) {
      svg.append(element("text", { x: px(tick), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, short(tick)));
      line(px(tick), TOP, px(tick), HEIGHT - BOTTOM, "rule");
    }
    for (const tick of ticks(...axes.y, 4)) {
      svg.append(element("text", { x: LEFT - 6, y: py(tick) + 4, "text-anchor": "end" }, short(tick)));
      line(LEFT, py(tick), width - RIGHT, py(tick), "rule");
    }
    if (spec.zero && axes.x[0] < 0 && axes.x[1] > 0) line(px(0), TOP, px(0), HEIGHT - BOTTOM, "zero");
    if (spec.isSquare) line(px(axes.x[0]), py(axes.y[0]), px(axes.x[1]), py(axes.y[1]), "zero");
    for (const group of axes.groups) {
      const on = marked ? group.members.filter((index) => marked[index]).length : group.members.length;
      if (spec.kind === "bars") {
        const [left, right] = [px(group.x0) + 1, px(group.x1) - 1];
        const bar = (count, name) => element("rect", { x: left, width: Math.max(1, right - left), y: py(count), height: py(0) - py(count), class: name });
        const both = element("g", {});
        both.append(bar(group.members.length, "bar"), bar(on, "bar on"), element("title", {}, `${short(group.x0)} to ${short(group.x1)}: ${group.members.length} prompts`));
        svg.append(both);
      } else {
        const radius = 3.5 + 1.2 * Math.sqrt(group.members.length - 1);
        const point = element("circle", { cx: group.place[0], cy: group.place[1], r: Math.min(12, radius), class: on ? "point on" : "point" });
        const names = group.members.slice(0, 5).map((index) => spec.names[index]).join("\n");
        point.append(element("title", {}, names + (group.members.length > 5 ? `\nand ${group.members.length - 5} more` : "")));
        svg.append(point);
      }
    }
    if (area) {
      const [left, right] = [px(area.x0), px(area.x1)];
      const [top, bottom] = spec.kind === "bars" ? [TOP, HEIGHT - BOTTOM] : [py(area.y1), py(area.y0)];
      svg.append(element("rect", { x: left, width: Math.max(1, right - left), y: top, height: Math.max(1, bottom - top), class: "area" }));
    }
    box.setAttribute("aria-label", `${spec.title}. Drag to select prompts; arrow keys move a selection, with Shift they resize it, Escape clears it.`);
    const caption = document.createElement("p");
    caption.textContent = `Across: ${spec.x}. Up: ${spec.y}.`;
    box.replaceChildren(svg, caption);
  }

  const unit = (event) => {
    const { left, top } = box.getBoundingClientRect();
    const [x, y] = [event.clientX - left - box.clientLeft, event.clientY - top - box.clientTop];
    return { x, y, dx: inverse(axes.px, axes.x, x), dy: inverse(axes.py, axes.y, y) };
  };
  // The value at a place, of a linear scale.
  function inverse(scale, [low, high], place) {
    return Math.min(high, Math.max(low, low + ((place - scale(low)) / (scale(high) - scale(low))) * (high - low)));
  }
  function select(wanted) {
    area = wanted && { x0: Math.min(wanted.x0, wanted.x1), x1: Math.max(wanted.x0, wanted.x1), y0: Math.min(wanted.y0, wanted.y1), y1: Math.max(wanted.y0, wanted.y1) };
    render();
  }

  // A selection of bars ends at their sides; a little more than what was drawn, so that rounding loses no prompt.
  function finish() {
    if (area && spec.kind === "bars") {
      const inside = axes.groups.filter(({ x0, x1 }) => x1 > area.x0 && x0 < area.x1);
      if (inside.length) area = { ...area, x0: inside[0].x0, x1: inside.at(-1).x1 };
    }
    if (area) {
      const [dx, dy] = [axes.x, axes.y].map(([low, high]) => (high - low) * 1e-5);
      area = { x0: area.x0 - dx, x1: area.x1 + dx, y0: area.y0 - dy, y1: area.y1 + dy };
    }
    render();
    selected(area);
  }

  let start = null;
  box.addEventListener("pointerdown", (event) => {
    if (!axes || event.button) return;
    start = unit(event);
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    if (!start) return;
    const now = unit(event);
    select({ x0: start.dx, x1: now.dx, y0: start.dy, y1: now.dy });
  });
  box.addEventListener("pointerup", (event) => {
    if (!start) return;
    const now = unit(event);
    if (Math.hypot(now.x - start.x, now.y - start.y) < 4) select(atClick(now)); // a click: the bar or the points there
    start = null;
    finish();
  });
  box.addEventListener("pointercancel", () => { start = null; });

  function atClick(place) {
    if (spec.kind === "bars") {
      const bar = axes.groups.find(({ x0, x1, members }) => members.length && place.dx >= x0 && place.dx <= x1);
      const middle = bar && (bar.x0 + bar.x1) / 2;
      return bar ? { x0: middle, x1: middle, y0: 0, y1: 0 } : null;
    }
    const near = axes.groups.some(({ place: [x, y] }) => Math.hypot(x - place.x, y - place.y) <= 2 * POINT_PX);
    const corner = (sign) => [inverse(axes.px, axes.x, place.x + sign * POINT_PX), inverse(axes.py, axes.y, place.y + sign * POINT_PX)];
    const [[x0, y1], [x1, y0]] = [corner(-1), corner(1)];
    return near ? { x0, x1, y0, y1 } : null;
  }

  box.addEventListener("keydown", (event) => {
    if (!axes || event.ctrlKey || event.metaKey || event.altKey) return;
    const [across, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
    if (event.key === "Escape") select(null);
    else if (across || up) {
      const [w, h] = [axes.x[1] - axes.x[0], axes.y[1] - axes.y[0]];
      const old = area ?? { x0: axes.x[0] + 0.4 * w, x1: axes.x[0] + 0.6 * w, y0: axes.y[0] + 0.3 * h, y1: axes.y[0] + 0.7 * h };
      const [dx, dy] = [(across * w) / 40, (up * h) / 40];
      select(event.shiftKey ? { ...old, x1: old.x1 + dx, y1: old.y1 + dy } : { x0: old.x0 + dx, x1: old.x1 + dx, y0: old.y0 + dy, y1: old.y1 + dy });
    } else return;
    event.preventDefault();
    selected(area); // as it is, so that the next key moves it by the same step
  });
  addEventListener("resize", () => { if (spec) draw(spec); });

  return {
    draw,
    // Which indexes are shown: the others are pale.
    mark(shown) {
      if (shown === null && marked === null) return;
      marked = shown;
      if (axes && spec && !box.hidden) render();
    },
    setArea(wanted) { area = wanted; },
    hide() { box.hidden = true; spec = axes = null; },
  };
}
