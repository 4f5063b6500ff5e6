// Page of a prompt: slider between the before and after images, and keyboard navigation.
"use strict";
const after = document.getElementById("after");
if (after) {
  const cut = document.getElementById("cut");
  const choose = document.getElementById("choose");
  const start = choose.selectedIndex;
  const names = [...choose.options].map((option) => option.textContent);
  const show = () => {
    after.style.setProperty("--cut", `${cut.value}%`);
    if (after.getAttribute("src") !== choose.value) after.src = choose.value;
    after.alt = `After: ${names[choose.selectedIndex]}`;
  };
  const read = () => {
    const wanted = names.indexOf(new URLSearchParams(location.hash.slice(1)).get("after"));
    choose.selectedIndex = wanted < 0 ? start : wanted;
    show();
  };
  cut.addEventListener("input", show);
  choose.addEventListener("input", () => {
    show();
    history.replaceState(null, "", `#${new URLSearchParams({ after: names[choose.selectedIndex] })}`);
  });
  addEventListener("hashchange", read);
  read();
}
addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const relation = { j: "next", k: "prev", u: "up" }[event.key];
  if (relation) document.querySelector(`a[rel=${relation}]`)?.click();
});
