"use strict";
document.documentElement.classList.add("js");
const plays = [...document.querySelectorAll(".play")];
const all = document.getElementById("play-all");
const set = (on) => { for (const play of plays) play.checked = on; if (all) all.checked = on; };
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
if (still.matches) set(false);
still.addEventListener("change", () => set(!still.matches));
if (all) all.addEventListener("change", () => set(all.checked));
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value;
      const order = (a, b) => value(a) === undefined && value(b) === undefined
        ? a.cells[column].textContent.localeCompare(b.cells[column].textContent)
        : Number(value(a) ?? -Infinity) - Number(value(b) ?? -Infinity);
      body.append(...[...body.rows].sort((a, b) => (down ? order(b, a) : order(a, b))));
    });
  });
}
