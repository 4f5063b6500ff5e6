// Tables of the overview: a click on a column's head sorts, a box shows all columns.
"use strict";
document.addEventListener("click", ({ target }) => {
  const button = target.closest(".sortable thead button");
  if (!button) return;
  const head = button.parentElement;
  const body = head.closest("table").tBodies[0];
  const index = head.cellIndex;
  const isDown = head.getAttribute("aria-sort") !== "descending"; // the first click brings the highest to the top
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
  const value = (row) => {
    const text = row.cells[index].textContent.trim();
    const number = Number(text.replace("†", ""));
    return text === "" || text === "–" ? null : Number.isNaN(number) ? text : number;
  };
  const order = (one, other) => {
    if (one === null || other === null) return (one === null) - (other === null); // missing values last, either way
    const found = typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other), "en", { numeric: true });
    return isDown ? -found : found;
  };
  const rows = [...body.rows].map((row) => [value(row), row]);
  rows.sort(([one], [other]) => order(one, other));
  body.append(...rows.map(([, row]) => row));
});
document.addEventListener("change", ({ target }) => {
  if (target.matches(".all-columns")) target.closest("details").querySelector("table").classList.toggle("all", target.checked);
});
