// Page of a prompt: slider between the before and after images with their scores, viewer, and keyboard navigation.
"use strict";
const after = document.getElementById("after");
if (after) {
  const cut = document.getElementById("cut");
  const choose = document.getElementById("choose");
  const table = document.getElementById("changes");
  const start = choose.value;
  const number = (value) => (value === null ? "–" : value.toFixed(3));
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);
  const show = () => {
    const option = choose.selectedOptions[0];
    after.parentElement.style.setProperty("--cut", `${cut.value}%`);
    if (after.getAttribute("src") !== option.dataset.src) after.src = option.dataset.src;
    after.alt = `After: ${option.textContent}`;
    const scores = JSON.parse(option.dataset.scores);
    for (const row of table.tBodies[0].rows) {
      const before = row.querySelector(".before").dataset.value;
      const now = scores[row.dataset.metric];
      const isPicked = "picked" in row.dataset && choose.value === table.dataset.chosen;
      row.querySelector(".now").textContent = number(now) + (isPicked ? "†" : "");
      row.querySelector(".moved").textContent = now === null || before === "" ? "–" : signed(now - Number(before));
    }
    for (const cell of table.querySelectorAll("[data-set]")) cell.classList.toggle("chosen", cell.dataset.set === choose.value);
  };
  const read = () => {
    choose.value = new URLSearchParams(location.hash.slice(1)).get("after") ?? start;
    if (choose.selectedIndex < 0) choose.value = start; // an unknown name
    show();
  };
  cut.addEventListener("input", show);
  choose.addEventListener("input", () => {
    show();
    history.replaceState(null, "", `#${new URLSearchParams({ after: choose.value })}`);
  });
  addEventListener("hashchange", () => { if (location.hash.startsWith("#after=")) read(); });
  read();
}
document.getElementById("all-images").addEventListener("click", zoomLinks(document.querySelector("h1").textContent));
addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const relation = { j: "next", k: "prev", u: "up" }[event.key];
  if (relation) document.querySelector(`a[rel=${relation}]`)?.click();
});
