"use strict";
// What makes the pages nicer; each of them works without it.

// -- mathematics: drawn where a text is marked for it, with one button to see all as it was written

const LIMITS = { trust: false, maxExpand: 100, maxSize: 20, strict: "ignore", throwOnError: true, errorColor: "currentcolor", errorCallback() {} };
const LONGEST = 40000;
const drawings = [];

// Environments that stand for themselves in LaTeX, and those of a formula that models write without any mark around.
const ALONE = ["equation", "align", "alignat", "flalign", "gather", "multline", "eqnarray", "displaymath", "math", "CD",
  "aligned", "alignedat", "gathered", "split", "cases", "rcases", "dcases", "array", "matrix", "pmatrix", "bmatrix", "Bmatrix",
  "vmatrix", "Vmatrix", "smallmatrix", "subarray"];
const STARRED = ALONE.flatMap((name) => [name, `${name}*`]);
const INNER = { align: "aligned", flalign: "aligned", alignat: "alignedat", gather: "gathered", multline: "gathered", equation: "gathered",
  displaymath: "gathered", math: "gathered" };

// As KaTeX can draw it, also inside a formula: without numbers of lines, and by the environment that is meant.
function drawable(written) {
  // Alone in a formula, KaTeX sets a tag at the edge itself.
  const text = written.includes("\\begin") ? written.replace(/\\tag\*?\s*\{([^{}]*)\}/g, "\\qquad\\text{($1)}") : written;
  return text
    .replace(/\\label\s*\{[^{}]*\}|\\(?:nonumber|notag)(?![a-zA-Z])/g, "")
    .replace(/\\begin\s*\{eqnarray\*?\}/g, "\\begin{array}{rcl}")
    .replace(/\\end\s*\{eqnarray\*?\}/g, "\\end{array}")
    .replace(/\\(begin|end)\s*\{(align|flalign|alignat|gather|multline|equation|displaymath|math)\*?\}/g, (_, word, name) => `\\${word}{${INNER[name]}}`)
    .replace(/\\(begin|end)\s*\{(split|cases|rcases|dcases|array|aligned|gathered)\*\}/g, "\\$1{$2}");
}

function delimiters(single) {
  const pairs = [
    ...STARRED.map((name) => ({ left: `\\begin{${name}}`, right: `\\end{${name}}`, display: true })),
    { left: "$$", right: "$$", display: true },
    { left: "\\[", right: "\\]", display: true },
    { left: "\\(", right: "\\)", display: false },
  ];
  return single ? [...pairs, { left: "$", right: "$", display: false }] : pairs;
}

// A formula is drawn as one piece, so a mark inside it grows to hold all of it.
function widenMark(box, single) {
  const mark = box.querySelector("mark");
  if (!mark) return;
  const text = box.textContent;
  const start = box.firstChild === mark ? 0 : box.firstChild.textContent.length;
  const end = start + mark.textContent.length;
  const formula = /\\begin\{([a-zA-Z]+\*?)\}[^]*?\\end\{\1\}|\$\$[^$]+\$\$|\\\[[^]*?\\\]|\\\([^]*?\\\)|\$[^$\n]+\$/g;
  for (const found of text.matchAll(formula)) {
    const last = found.index + found[0].length;
    const plain = found[0].startsWith("$") && !found[0].startsWith("$$");
    if (found.index >= start || last <= end || (plain && !single)) continue;
    mark.textContent = found[0];
    box.replaceChildren(text.slice(0, found.index), mark, text.slice(last));
    return;
  }
}

function draw(box) {
  if (box.dataset.drawn || box.textContent.length > LONGEST || typeof renderMathInElement !== "function") return;
  box.dataset.drawn = "yes";
  const single = "single" in box.dataset;
  // Where Markdown is drawn, the server says beside it what was written, and has widened the mark.
  const beside = box.querySelector(":scope > template[data-written]");
  const written = [...(beside ? beside.content : box).childNodes].map((node) => node.cloneNode(true));
  if (beside) beside.remove();
  else widenMark(box, single);
  renderMathInElement(box, { delimiters: delimiters(single), preProcess: drawable, ...LIMITS });
  if (beside || box.querySelector(".katex")) drawings.push({ box, other: written, isMarkdown: box.matches(".markdown") });
  reachFormulas(box);
}

// An answer is a formula without a mark around; what is none stays as it is.
function drawAnswer(box) {
  const text = box.textContent;
  if (box.dataset.drawn || text.length > 2000 || typeof katex !== "object") return;
  box.dataset.drawn = "yes";
  try {
    const drawn = document.createElement("span");
    katex.render(drawable(text), drawn, LIMITS);
    box.replaceChildren(drawn);
    drawings.push({ box, other: [document.createTextNode(text)] });
  } catch {
    // No formula.
  }
}

// A formula wider than its box scrolls in it: a keyboard reaches it then.
function reachFormulas(root) {
  for (const formula of root.querySelectorAll(".katex-display")) {
    if (formula.scrollWidth <= formula.clientWidth) {
      for (const name of ["tabindex", "role", "aria-label"]) formula.removeAttribute(name);
      continue;
    }
    formula.setAttribute("tabindex", "0");
    formula.setAttribute("role", "group");
    formula.setAttribute("aria-label", "Formula");
  }
}

function turnDrawings(event) {
  for (const drawing of drawings) {
    const shown = [...drawing.box.childNodes];
    drawing.box.replaceChildren(...drawing.other);
    if (drawing.isMarkdown) drawing.box.classList.toggle("markdown");
    drawing.other = shown;
  }
  const button = event.currentTarget;
  const written = button.getAttribute("aria-pressed") === "false";
  button.setAttribute("aria-pressed", String(written));
}

function offerWritten() {
  const place = document.querySelector("[data-math-toggle]");
  if (!place || place.firstChild || !drawings.length) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  button.textContent = "Text and mathematics as written";
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", turnDrawings);
  place.append(button);
}

function drawAll(root) {
  if (root.matches && root.matches(".math")) draw(root);
  root.querySelectorAll(".math").forEach(draw);
  root.querySelectorAll("[data-formula]").forEach(drawAnswer);
  offerWritten();
}

// -- a long solution is shown where its answer was found

function showMarks() {
  for (const box of document.querySelectorAll(".solution")) {
    const mark = box.querySelector("mark");
    if (mark && box.scrollHeight > box.clientHeight) box.scrollTop = mark.offsetTop - box.clientHeight / 2;
  }
}

// -- rows: j and k move, Enter opens, x ticks

function rows() {
  return [...document.querySelectorAll("table[data-keys] tbody tr")].filter((row) => row.querySelector("a[href]"));
}

function moveTo(row) {
  document.querySelectorAll("tr.on").forEach((one) => one.classList.remove("on"));
  row.classList.add("on");
  row.querySelector("th a[href], td a[href]").focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("on") || row.contains(document.activeElement));
  moveTo(all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))]);
}

function follow(kind) {
  const link = document.querySelector(`a[rel="${kind}"]`);
  if (link) link.click();
}

function pressed(event) {
  const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const row = document.querySelector("tr.on");
  const box = row && row.querySelector("input[type=checkbox]");
  if (event.key === "j") rows().length ? step(1) : follow("next");
  else if (event.key === "k") rows().length ? step(-1) : follow("prev");
  else if (event.key === "Enter" && row && document.activeElement === document.body) row.querySelector("a[href]").click();
  else if (event.key === "x" && box) box.click();
  else if (event.key === "n") follow("next");
  else if (event.key === "p") follow("prev");
  else if (event.key === "/") focusSearch(event);
}

function focusSearch(event) {
  const field = document.querySelector("input[type=search]");
  if (!field) return;
  event.preventDefault();
  field.focus();
}

// -- runs: ticks survive a table that is drawn anew, and the buttons Matrix and Compare say how many

const ticked = new Set();

function countTicks() {
  for (const button of document.querySelectorAll("button[data-ticked]")) {
    button.textContent = ticked.size ? `${button.dataset.ticked} ${ticked.size}` : button.dataset.ticked;
    button.disabled = ticked.size < 1;
  }
}

function keepTick(event) {
  const box = event.target;
  if (!box.matches("input[type=checkbox][name=run]")) return;
  if (box.checked) ticked.add(box.value);
  else ticked.delete(box.value);
  countTicks();
}

function putTicks(root) {
  root.querySelectorAll("input[type=checkbox][name=run]").forEach((box) => {
    if (box.checked) ticked.add(box.value);
    else box.checked = ticked.has(box.value);
  });
  countTicks();
}

// -- what changes by itself: told once to those who listen, and what a person opened stays open

function tellChange() {
  const told = document.getElementById("told");
  const now = document.querySelector("[data-tell]");
  const words = now ? now.textContent.trim().replace(/\s+/g, " ") : "";
  if (told && told.dataset.before !== undefined && told.dataset.before !== words) told.textContent = words;
  if (told) told.dataset.before = words;
}

const opened = new Set();

function keepOpen(event) {
  const box = event.target;
  if (!box.id || !box.closest("#job")) return;
  if (box.open) opened.add(box.id);
  else if (box.isConnected) opened.delete(box.id);
}

function openAgain() {
  document.querySelectorAll("#job details[id]").forEach((box) => {
    if (opened.has(box.id)) box.open = true;
  });
}

// -- forms: a choice in a filter is sent at once

function sendFilter(event) {
  const form = event.target.closest("form[data-at-once]");
  if (form && event.target.matches("select")) form.requestSubmit();
}

// -- start

document.addEventListener("keydown", pressed);
document.addEventListener("change", keepTick);
document.addEventListener("change", sendFilter);
document.addEventListener("toggle", keepOpen, true);
document.addEventListener("htmx:afterSwap", (event) => {
  openAgain();
  tellChange();
  drawAll(event.target);
  putTicks(document);
  const row = document.activeElement.closest("table[data-keys] tbody tr");
  if (row) row.classList.add("on");
});
addEventListener("resize", () => reachFormulas(document));
document.documentElement.classList.add("scripted");
drawAll(document);
putTicks(document);
tellChange();
showMarks();
