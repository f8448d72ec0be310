"use strict";
// Cells of the matrix by keys: arrows or h j k l move, Enter opens, s sets one beside the base, x on two sets them side by side.

const grid = document.querySelector("table[data-grid]");
const STEPS = { ArrowLeft: [0, -1], h: [0, -1], ArrowRight: [0, 1], l: [0, 1], ArrowUp: [-1, 0], k: [-1, 0], ArrowDown: [1, 0], j: [1, 0] };
let picked = null;

const lines = grid ? [...grid.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("td")].map((cell) => cell.querySelector("a.cell"))) : [];

function placeOf(link) {
  for (const [row, links] of lines.entries()) {
    const column = links.indexOf(link);
    if (link && column >= 0) return [row, column];
  }
  return null;
}

// One cell is in the order of the Tab key at a time, so that it leads on past the table.
function makeCurrent(link) {
  for (const one of grid.querySelectorAll("a.cell, a.beside")) one.tabIndex = -1;
  link.tabIndex = 0;
  const beside = link.parentElement.querySelector("a.beside");
  if (beside) beside.tabIndex = 0;
}

function moveCell(by) {
  const at = placeOf(current());
  if (!at) return goTo(grid.querySelector("a.cell"));
  let [row, column] = at;
  for (;;) {
    row += by[0];
    column += by[1];
    if (!lines[row] || column < 0 || column >= lines[row].length) return;
    if (lines[row][column]) return goTo(lines[row][column]);
  }
}

function current() {
  const cell = document.activeElement.closest("table[data-grid] td");
  return cell && cell.querySelector("a.cell");
}

function goTo(link) {
  if (!link) return;
  makeCurrent(link);
  link.focus();
}

// The server names the place of a trace; the two runs and ids make the address of the pair.
function pick(link) {
  const said = document.getElementById("picked");
  const row = link.closest("tr");
  if (picked && picked !== link && picked.closest("tr") === row) {
    location.assign(pairOf(picked, link));
    return;
  }
  if (picked) picked.classList.remove("picked");
  picked = picked === link ? null : link;
  if (picked) picked.classList.add("picked");
  said.textContent = picked ? "Picked. Press x on another cell of this row." : "";
}

function placed(link) {
  const [, , run, , ...rest] = new URL(link.href).pathname.split("/");
  const asked = new URL(link.href).searchParams.get("problem");
  return { run, path: rest.join("/"), problem: asked === null ? decodeURIComponent(rest.join("/")) : asked, odd: asked !== null };
}

function pairOf(first, second) {
  const [one, other] = [placed(first), placed(second)];
  const query = new URLSearchParams({ by: decodeURIComponent(other.run) });
  if (one.odd) query.set("problem", one.problem);
  if (other.problem !== one.problem) query.set("other", other.problem);
  return `/runs/${one.run}/solved/${one.odd ? "" : one.path}?${query}`;
}

function pressedInGrid(event) {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const arrows = event.key.startsWith("Arrow");
  const link = current();
  // Arrows scroll the page until a cell is chosen.
  if (STEPS[event.key] && (link || !arrows)) moveCell(STEPS[event.key]);
  else if (event.key === "x" && link) pick(link);
  else if (event.key === "s" && link && link.parentElement.querySelector("a.beside")) link.parentElement.querySelector("a.beside").click();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

if (grid && grid.querySelector("a.cell")) {
  makeCurrent(grid.querySelector("a.cell"));
  grid.addEventListener("focusin", () => current() && makeCurrent(current()));
  document.addEventListener("keydown", pressedInGrid, true);
}
