// Prompt explorer of the overview: filters, sorts and compares the prompts of data.js, and stores its view in the URL.
"use strict";
const { metrics, prompts, shown, oracle } = window.DETAILSCRIBE;
const form = document.getElementById("controls");
const list = document.getElementById("cards");
const control = (name) => form.elements[name];
const NAMES = ["search", "scenario", "method", "other", "metric", "status", "from", "to", "sort", "second"];
const number = (value) => (value === null ? "–" : value.toFixed(3));
const marked = (value, method, metric) => number(value) + (value !== null && oracle[method]?.includes(metric) ? "†" : "");

// 1. One card per prompt, in file order: the page contains the texts, this script adds images and scores.
const cards = [...list.children].map((item, index) => {
  const link = item.querySelector("a");
  const pair = document.createElement("div");
  pair.className = "duo";
  const slots = [0, 1].map(() => {
    const slot = document.createElement("a");
    slot.href = link.href;
    slot.tabIndex = -1;
    pair.append(slot);
    return slot;
  });
  const scores = document.createElement("p");
  scores.className = "scores";
  item.prepend(pair);
  item.append(scores);
  const words = `${prompts[index].topic} ${prompts[index].prompt}`.toLowerCase();
  return { item, link, slots, scores, words, index, value: null, gain: null, shown: ["", ""] };
});

// 2. Values and images of the two selected methods under the selected metric.
function compare() {
  const [left, right] = [shown[control("method").value], shown[control("other").value]];
  const metric = control("metric").value;
  for (const card of cards) {
    const [one, two] = [left[metric][card.index], right[metric][card.index]];
    card.value = one[0];
    card.gain = one[0] === null || two[0] === null ? null : one[0] - two[0];
    const gain = card.gain === null ? "" : ` (${card.gain < 0 ? "−" : "+"}${Math.abs(card.gain).toFixed(3)})`;
    const [name, other] = [control("method").value, control("other").value];
    card.scores.textContent = `${name} ${marked(one[0], name, metric)} · ${other} ${marked(two[0], other, metric)}${gain}`;
    [one[1], two[1]].forEach((name, side) => showImage(card, side, name));
  }
  const ranks = (name) => rank(cards.map(({ index }) => difference(left[name][index][0], right[name][index][0])));
  const [first, second] = [ranks(metric), ranks(control("second").value)];
  for (const card of cards) {
    const [a, b] = [first[card.index], second[card.index]];
    card.disagreement = a === null || b === null ? null : Math.abs(a - b);
  }
}

const difference = (one, two) => (one === null || two === null ? null : one - two);

// Share of the gains that are smaller, ties counted as one half, in [0, 1]; null stays null.
function rank(values) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const first = new Map(), last = new Map();
  sorted.forEach((value, index) => { if (!first.has(value)) first.set(value, index); last.set(value, index); });
  const span = Math.max(1, sorted.length - 1);
  return values.map((value) => (value === null ? null : (first.get(value) + last.get(value)) / 2 / span));
}

function showImage(card, side, name) {
  const slot = card.slots[side];
  const path = name ? prompts[card.index].images[name] : undefined;
  const wanted = path ?? `none ${name}`;
  if (card.shown[side] === wanted) return;
  card.shown[side] = wanted;
  if (!path) {
    slot.replaceChildren(Object.assign(document.createElement("span"), { className: "none", textContent: "no image" }));
    return;
  }
  const image = document.createElement("img");
  Object.assign(image, { loading: "lazy", width: 256, height: 256, alt: name });
  image.src = path;
  slot.replaceChildren(image);
}

// 3. Filters and sort order.
function matches(card, words, low, high) {
  const { scenario, statuses } = prompts[card.index];
  const status = control("status").value;
  if (control("scenario").value && scenario !== control("scenario").value) return false;
  if (status === "complete" && statuses.length) return false;
  if (status === "incomplete" && !statuses.length) return false;
  if (status && status !== "complete" && status !== "incomplete" && !statuses.includes(status)) return false;
  if (low !== null && !(card.value !== null && card.value >= low)) return false;
  if (high !== null && !(card.value !== null && card.value <= high)) return false;
  return words.every((word) => card.words.includes(word));
}

const ORDERS = {
  gain: (card) => card.gain,
  loss: (card) => (card.gain === null ? null : -card.gain),
  score: (card) => card.value,
  disagreement: (card) => card.disagreement,
};
let order = cards.map((card) => card.index).join(); // as on the page

function filter() {
  const words = control("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [low, high] = ["from", "to"].map((name) => (control(name).value === "" ? null : Number(control(name).value)));
  const found = cards.filter((card) => matches(card, words, low, high));
  document.getElementById("count").textContent = `${found.length} of ${cards.length} prompts`;
  const by = ORDERS[control("sort").value];
  if (by) found.sort((a, b) => (by(b) ?? -Infinity) - (by(a) ?? -Infinity) || a.index - b.index);
  const wanted = found.map((card) => card.index).join();
  if (wanted !== order) list.replaceChildren(...found.map((card) => card.item));
  order = wanted;
}

// 4. The view in the URL: controls that differ from their initial values.
const initial = Object.fromEntries(NAMES.map((name) => [name, control(name).value]));

function writeView() {
  const changed = NAMES.filter((name) => control(name).value !== initial[name]);
  const view = new URLSearchParams(changed.map((name) => [name, control(name).value]));
  history.replaceState(null, "", changed.length ? `#${view}` : location.pathname + location.search + "#prompts");
}

function readView() {
  const view = new URLSearchParams(location.hash.slice(1));
  for (const name of NAMES) {
    control(name).value = view.get(name) ?? initial[name];
    if (control(name).value === "") control(name).value = initial[name]; // an unknown name
  }
  compare();
  filter();
  if (NAMES.some((name) => view.has(name))) document.getElementById("prompts").scrollIntoView();
}

// 5. Events.
form.addEventListener("input", ({ target }) => {
  if (["method", "other", "metric", "second"].includes(target.name || target.id)) compare();
  filter();
  writeView();
});
form.addEventListener("reset", () => setTimeout(() => { compare(); filter(); writeView(); }));
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", readView);
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
