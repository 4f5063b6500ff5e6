// Prompt explorer of the overview: filters, sorts, plots and compares the prompts of data.js; the URL holds its view.
"use strict";
const { metrics, sets, labels, scales, placeholders, prompts, scores, shown, candidates, chosen, oracle } = window.DETAILSCRIBE;
const form = document.getElementById("controls");
const list = document.getElementById("cards");
const control = (name) => form.elements[name];
const NAMES = ["search", "scenario", "stratum", "status", "a", "b", "metric", "from", "to", "sort", "plot", "second"];
const number = (value) => (value === null ? "–" : value.toFixed(3));
const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);
const difference = (one, two) => (one === null || two === null ? null : two - one);
const plain = (method) => labels.methods[method].replace(" †", "");
const setLabel = (name) => labels.sets[name] + (placeholders.includes(name) && !labels.sets[name].includes("placeholder") ? " (placeholder image)" : "");

// 1. One card per prompt, in file order: the page contains the texts, this script adds images and scores.
const blank = document.createElement("template");
blank.innerHTML = `<div class="duo"><figure><button type="button" class="thumb" tabindex="-1"></button><figcaption><span></span> <b></b></figcaption></figure><figure><button type="button" class="thumb" tabindex="-1"></button><figcaption><span></span> <b></b></figcaption></figure></div>`;
const cards = [...list.children].map((item, index) => {
  const duo = blank.content.firstChild.cloneNode(true);
  const sides = [...duo.children].map((figure) => ({ slot: figure.firstChild, name: figure.querySelector("span"), value: figure.querySelector("b"), shown: "" }));
  const change = document.createElement("p");
  change.className = "gain";
  const all = Object.assign(document.createElement("button"), { type: "button", className: "all", textContent: "All images" });
  item.prepend(duo);
  item.append(change, all);
  item.dataset.index = index;
  const words = `${prompts[index].topic} ${prompts[index].prompt}`.toLowerCase();
  return { item, sides, change, words, index, a: null, b: null, gain: null };
});

const thumb = (prompt, at) => (prompt.images[at] ? `${prompt.root}thumbnails/${prompt.images[at][0]}.jpg` : null);
const full = (prompt, at) => `${prompt.root}images/${sets[at]}/${prompt.id}${prompt.images[at][1]}`;

// 2. Values and images of the two methods under the metric.
function compare() {
  const methods = [control("a").value, control("b").value];
  const metric = control("metric").value;
  for (const card of cards) {
    const values = methods.map((method) => shown[method][metric][card.index]);
    [card.a, card.b] = values.map(([value]) => value);
    card.gain = difference(card.a, card.b);
    card.change.textContent = card.gain === null ? "" : `change ${signed(card.gain)}`;
    card.change.dataset.sign = card.gain === null ? "" : Math.sign(card.gain);
    values.forEach(([value, at], side) => {
      const { name, value: text } = card.sides[side];
      name.textContent = plain(methods[side]);
      name.title = `${methods[side]}${at === null ? "" : `: ${sets[at]}`}`;
      text.textContent = number(value) + (value !== null && oracle[methods[side]]?.includes(metric) ? "†" : "");
      showImages(card, side, at !== null ? [at] : value === null ? [] : candidates[methods[side]].slice(0, 4));
    });
  }
  const how = methods.map((method) => `${plain(method)}: ${chosen[method]?.[metric] ?? "no choice"}`).join("; ");
  document.getElementById("scale").textContent = `${labels.metrics[metric]}: ${scales[metric]}. Images: ${how}.`;
}

// One image, or for a mean the images that it is of.
function showImages(card, side, numbers) {
  const { slot } = card.sides[side];
  const found = numbers.filter((at) => thumb(prompts[card.index], at));
  const wanted = found.join();
  if (card.sides[side].shown === wanted && slot.firstChild) return;
  card.sides[side].shown = wanted;
  slot.disabled = !found.length;
  slot.classList.toggle("mosaic", found.length > 1);
  if (!found.length) {
    slot.replaceChildren(Object.assign(document.createElement("span"), { className: "none", textContent: "no image" }));
    return;
  }
  slot.replaceChildren(...found.map((at) => {
    const image = document.createElement("img");
    Object.assign(image, { loading: "lazy", width: 256, height: 256, alt: setLabel(sets[at]), title: sets[at] });
    image.dataset.at = at;
    image.src = thumb(prompts[card.index], at);
    return image;
  }));
}

// Share of the values that are smaller, ties counted as one half, in [0, 1]; null stays null.
function rank(values) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const first = new Map(), last = new Map();
  sorted.forEach((value, index) => { if (!first.has(value)) first.set(value, index); last.set(value, index); });
  const span = Math.max(1, sorted.length - 1);
  return values.map((value) => (value === null ? null : (first.get(value) + last.get(value)) / 2 / span));
}

function disagree() {
  const [a, b] = [shown[control("a").value], shown[control("b").value]];
  const ranks = (metric) => rank(cards.map(({ index }) => difference(a[metric][index][0], b[metric][index][0])));
  const [first, second] = [ranks(control("metric").value), ranks(control("second").value)];
  for (const card of cards) {
    const [one, two] = [first[card.index], second[card.index]];
    card.disagreement = one === null || two === null ? null : Math.abs(one - two);
  }
}

// 3. The plot: what it shows, and the prompts that are selected on it.
const chart = makeChart(document.getElementById("chart"), (area) => { selection = area; filter(); writeView(); });
let selection = null;
let points = null;
let isHistogram = false;

function plot() {
  const [a, b, metric, second] = ["a", "b", "metric", "second"].map((name) => control(name).value);
  const [name, other] = [labels.metrics[metric], labels.metrics[second]];
  const value = (method, of, index) => shown[method][of][index][0];
  const kinds = {
    change: () => ({ kind: "bars", x: `change of ${name} from ${plain(a)} to ${plain(b)}`, y: "prompts", zero: true, at: (index) => [difference(value(a, metric, index), value(b, metric, index)), 0] }),
    score: () => ({ kind: "bars", x: `${name} of ${plain(b)}`, y: "prompts", at: (index) => [value(b, metric, index), 0] }),
    methods: () => ({ kind: "points", isSquare: true, x: `${name} of ${plain(a)}`, y: `${name} of ${plain(b)}`, at: (index) => [value(a, metric, index), value(b, metric, index)] }),
    metrics: () => ({ kind: "points", x: `${name} of ${plain(b)}`, y: `${other} of ${plain(b)}`, at: (index) => [value(b, metric, index), value(b, second, index)] }),
  };
  const spec = kinds[control("plot").value]?.();
  points = spec ? cards.map(({ index }) => spec.at(index)).map((point) => (point.includes(null) ? null : point)) : null;
  isHistogram = spec?.kind === "bars";
  if (!spec) {
    chart.hide();
    return;
  }
  document.getElementById("chart").hidden = false;
  chart.setArea(selection);
  chart.draw({ ...spec, title: `Plot of ${spec.x}`, values: points, names: prompts.map(({ topic }) => topic) });
}

function isSelected(index) {
  if (!selection || !points) return true;
  if (!points[index]) return false;
  const [x, y] = points[index];
  return x >= selection.x0 && x <= selection.x1 && (isHistogram || (y >= selection.y0 && y <= selection.y1));
}

// 4. Filters and sort order.
function matches(card, words, low, high) {
  const { scenario, stratum, statuses } = prompts[card.index];
  const status = control("status").value;
  if (control("scenario").value && scenario !== control("scenario").value) return false;
  if (control("stratum").value && stratum !== control("stratum").value) return false;
  if (status === "complete" && statuses.length) return false;
  if (status === "incomplete" && !statuses.length) return false;
  if (status && status !== "complete" && status !== "incomplete" && !statuses.includes(status)) return false;
  if (low !== null && !(card.b !== null && card.b >= low)) return false;
  if (high !== null && !(card.b !== null && card.b <= high)) return false;
  return isSelected(card.index) && words.every((word) => card.words.includes(word));
}

const ORDERS = {
  gain: (card) => card.gain,
  loss: (card) => (card.gain === null ? null : -card.gain),
  score: (card) => card.b,
  disagreement: (card) => card.disagreement,
};
let order = cards.map((card) => card.index).join(); // as on the page
let found = cards;

function filter() {
  const words = control("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [low, high] = ["from", "to"].map((name) => (control(name).value === "" ? null : Number(control(name).value)));
  found = cards.filter((card) => matches(card, words, low, high));
  document.getElementById("count").textContent = `${found.length} of ${cards.length} prompts`;
  const isOn = new Array(cards.length).fill(false);
  for (const card of found) isOn[card.index] = true;
  chart.mark(found.length < cards.length ? isOn : null);
  document.getElementById("second-label").hidden = control("sort").value !== "disagreement" && control("plot").value !== "metrics";
  if (control("sort").value === "disagreement") disagree();
  const by = ORDERS[control("sort").value];
  if (by) found.sort((a, b) => (by(b) ?? -Infinity) - (by(a) ?? -Infinity) || a.index - b.index);
  const wanted = found.map((card) => card.index).join();
  if (wanted !== order) list.replaceChildren(...found.map((card) => card.item));
  order = wanted;
}

// 5. The view in the URL: controls that differ from their initial values, and the selection on the plot.
const initial = Object.fromEntries(NAMES.map((name) => [name, control(name).value]));

function writeView() {
  const changed = NAMES.filter((name) => control(name).value !== initial[name]);
  const view = new URLSearchParams(changed.map((name) => [name, control(name).value]));
  if (selection) view.set("box", ["x0", "x1", "y0", "y1"].map((side) => Number(selection[side].toPrecision(8))).join());
  const text = String(view);
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search + "#prompts");
}

function readView() {
  const view = new URLSearchParams(location.hash.slice(1));
  for (const name of NAMES) {
    control(name).value = view.get(name) ?? initial[name];
    if (control(name).value === "") control(name).value = initial[name]; // an unknown name
  }
  const sides = (view.get("box") ?? "").split(",").map(Number);
  selection = sides.length === 4 && sides.every(Number.isFinite) ? { x0: sides[0], x1: sides[1], y0: sides[2], y1: sides[3] } : null;
  compare();
  plot();
  filter();
  if (view.has("box") || NAMES.some((name) => view.has(name))) document.getElementById("prompts").scrollIntoView();
}

// 6. Events.
form.addEventListener("input", ({ target }) => {
  if (["a", "b", "metric"].includes(target.id)) compare();
  if (["a", "b", "metric", "second", "plot"].includes(target.id)) {
    selection = null;
    plot();
  }
  filter();
  writeView();
});
form.addEventListener("reset", () => setTimeout(() => { selection = null; compare(); plot(); filter(); writeView(); }));
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => { if (!document.querySelector(`[id="${CSS.escape(location.hash.slice(1))}"]`)) readView(); });

list.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  const prompt = prompts[target.closest("li").dataset.index];
  const index = prompts.indexOf(prompt);
  const made = sets.map((_, at) => at).filter((at) => prompt.images[at]);
  const items = made.map((at) => ({
    src: full(prompt, at),
    thumb: thumb(prompt, at),
    label: setLabel(sets[at]),
    id: sets[at],
    text: metrics.map((metric) => `${labels.metrics[metric]} ${number(scores[metric][index][at])}`).join(" · "),
  }));
  const clicked = target.dataset.at ?? button.querySelector("img")?.dataset.at;
  viewer.open(items, clicked === undefined ? null : made.indexOf(Number(clicked)), prompt.topic);
});
zoomLinks("Figures");

document.getElementById("copy").addEventListener("click", async ({ target }) => {
  let text = "Link copied";
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    text = "Copy it from the address bar";
  }
  const before = target.textContent;
  target.textContent = text;
  setTimeout(() => { target.textContent = before; }, 2000);
});

document.getElementById("save").addEventListener("click", () => {
  const [a, b, metric] = ["a", "b", "metric"].map((name) => control(name).value);
  const quoted = (value) => (/[",\n]/.test(value ?? "") ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
  const image = (method, index) => sets[shown[method][metric][index][1]] ?? "";
  const head = ["scenario", "id", "topic", "prompt", "stratum", "metric", "a", "a_image_set", "a_score", "b", "b_image_set", "b_score", "change"];
  const rows = found.map(({ index, a: one, b: two, gain }) => {
    const { scenario, id, topic, prompt, stratum } = prompts[index];
    return [scenario, id, topic, prompt, stratum, metric, a, image(a, index), one, b, image(b, index), two, gain === null ? null : Number(gain.toFixed(5))];
  });
  const text = [head, ...rows].map((row) => row.map(quoted).join()).join("\n") + "\n";
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "prompts.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
});

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    control("search").focus();
    event.preventDefault();
  } else if (event.key === "j" || event.key === "k") {
    const links = [...list.querySelectorAll("li > a")];
    const current = links.indexOf(document.activeElement);
    const next = links[event.key === "j" ? Math.min(current + 1, links.length - 1) : Math.max(current - 1, 0)];
    next?.focus();
    next?.scrollIntoView({ block: "center" });
  }
});
readView();
document.documentElement.dataset.ready = "yes";
