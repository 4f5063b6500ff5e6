// Viewer: a dialog that shows the images of a prompt as a grid, or one of them as large as the window allows. Also draws
// small images, which smoothing would blur, at whole multiples of their size.
"use strict";
const SMALL_PX = 200;

function sharpen(image) {
  if (!image.naturalWidth || image.src.endsWith(".svg")) return;
  const isSmall = Math.max(image.naturalWidth, image.naturalHeight) < SMALL_PX;
  image.classList.toggle("small", isSmall);
  if (isSmall) image.style.setProperty("--px", `${image.naturalWidth}px`);
}
document.addEventListener("load", ({ target }) => { if (target.tagName === "IMG") sharpen(target); }, true);
for (const image of document.images) sharpen(image);

const viewer = (() => {
  const dialog = document.createElement("dialog");
  dialog.className = "viewer";
  dialog.setAttribute("aria-labelledby", "viewer-label");
  dialog.innerHTML = `<div class="bar"><strong id="viewer-label"></strong><span class="quiet place" aria-live="polite"></span>
<button type="button" data-act="grid">All images</button><button type="button" data-act="size" aria-pressed="false">Actual size</button>
<a class="file">Open file</a><button type="button" data-act="close">Close</button></div>
<div class="stage"><button type="button" data-act="previous" aria-label="Previous image">←</button>
<div class="frame" tabindex="0" role="region" aria-label="Image"><img alt=""></div>
<button type="button" data-act="next" aria-label="Next image">→</button></div><p class="scores"></p><div class="tiles"></div>`;
  document.body.append(dialog);
  const part = (selector) => dialog.querySelector(selector);
  const [label, place, stage, frame, image, scores, tiles, file] =
    ["#viewer-label", ".place", ".stage", ".frame", ".frame img", ".scores", ".tiles", ".file"].map(part);
  let items = [], at = 0, title = "";

  function show(index) {
    at = (index + items.length) % items.length;
    const item = items[at];
    dialog.classList.remove("grid");
    label.textContent = item.label;
    label.title = item.id ?? "";
    place.textContent = items.length > 1 ? `${at + 1} of ${items.length}` : "";
    scores.textContent = item.text;
    image.className = item.src.endsWith(".svg") ? "drawing" : "";
    image.style.cssText = "";
    image.src = item.src;
    image.alt = item.alt ?? item.label;
    file.href = item.src;
    fit();
  }

  // Whole multiples for small images, otherwise as large as the frame; or the actual size.
  function fit() {
    const isActual = part("[data-act=size]").getAttribute("aria-pressed") === "true";
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const isSmall = width && Math.max(width, height) < SMALL_PX && !image.classList.contains("drawing");
    image.classList.toggle("pixels", Boolean(isSmall));
    image.classList.toggle("actual", isActual);
    const times = Math.floor(Math.min(frame.clientWidth / width, frame.clientHeight / height));
    image.style.width = isSmall ? `${width * (isActual ? 1 : Math.max(1, times))}px` : "";
  }
  image.addEventListener("load", fit);
  addEventListener("resize", () => { if (dialog.open) fit(); });

  function grid() {
    dialog.classList.add("grid");
    label.textContent = title;
    label.title = "";
    place.textContent = `${items.length} images`;
    tiles.replaceChildren(...items.map((item, index) => {
      const tile = document.createElement("button");
      tile.type = "button";
      const small = Object.assign(document.createElement("img"), { src: item.thumb ?? item.src, alt: "" });
      const name = Object.assign(document.createElement("strong"), { textContent: item.label, title: item.id ?? "" });
      const text = Object.assign(document.createElement("span"), { className: "quiet", textContent: item.text });
      tile.append(small, name, text);
      tile.addEventListener("click", () => { show(index); frame.focus(); });
      return tile;
    }));
    (tiles.children[at] ?? tiles.firstChild)?.focus();
  }

  // Opens with images {src, thumb, label, id, text, alt}; `index` of the one to show, or null for the grid.
  function open(images, index, heading) {
    [items, at, title] = [images, index ?? 0, heading ?? ""];
    if (!items.length) return;
    dialog.classList.toggle("single", items.length < 2);
    if (!dialog.open) dialog.showModal();
    if (index === null) grid();
    else { show(index); frame.focus(); }
  }

  const acts = {
    grid,
    close: () => dialog.close(),
    previous: () => show(at - 1),
    next: () => show(at + 1),
    size: (button) => { button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true")); fit(); },
  };
  dialog.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-act]");
    if (button) acts[button.dataset.act](button);
    else if (target === dialog) dialog.close(); // beside the dialog
    else if (target === image) acts.size(part("[data-act=size]"));
  });
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "g") grid();
    else if (dialog.classList.contains("grid")) {
      const tile = step && tiles.children[[...tiles.children].indexOf(document.activeElement) + step];
      if (!tile) return;
      tile.focus();
    } else if (step) show(at + step);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(items.length - 1);
    else return;
    event.preventDefault();
  });
  return { open };
})();

// Links to images open in the viewer, all of the page in turn; with Ctrl or another button they stay links.
function zoomLinks(heading) {
  const links = () => {
    const found = new Map();
    for (const link of document.querySelectorAll("a.zoom")) if (!found.has(link.href)) found.set(link.href, link);
    return found;
  };
  const item = (link) => ({
    src: link.href,
    thumb: link.querySelector("img").src,
    label: link.dataset.label,
    id: link.title,
    alt: link.querySelector("img").alt,
    text: [...(link.closest("figure")?.querySelectorAll(".score") ?? [])].map((score) => score.textContent.trim()).join(" · "),
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.zoom");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const found = links();
    viewer.open([...found.values()].map(item), [...found.keys()].indexOf(link.href), heading);
  });
  return () => viewer.open([...links().values()].map(item), null, heading);
}
