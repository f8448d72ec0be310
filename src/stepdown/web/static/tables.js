"use strict";
// A table wider than its box on a narrow screen becomes records: a row under its head, each cell below its column's name.

const NARROW = matchMedia("(max-width: 40rem)");

function nameCells(table) {
  const names = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim().replace(/\s+/g, " "));
  for (const row of table.querySelectorAll("tbody tr")) {
    let at = 0;
    for (const cell of row.cells) {
      if (cell.tagName === "TD") cell.dataset.column = cell.colSpan > 1 ? "" : (names[at] ?? "");
      at += cell.colSpan;
    }
  }
}

// Records stay records: to lay them out as a table again, only to see, would move what is read.
function fitTable(table) {
  if (!NARROW.matches) table.classList.remove("records");
  else if (table.matches(".records") || table.scrollWidth > table.parentElement.clientWidth) {
    nameCells(table);
    table.classList.add("records");
  }
}

// What is read across and down, such as a matrix, stays a table that scrolls.
function fitTables() {
  document.querySelectorAll(".scroll > table:not([data-grid], .wins)").forEach(fitTable);
}

NARROW.addEventListener("change", fitTables);
// Tables that come later, and those in a part that is opened: before anything of them is painted.
new MutationObserver(fitTables).observe(document.body, { childList: true, subtree: true, attributeFilter: ["open"] });
fitTables();
