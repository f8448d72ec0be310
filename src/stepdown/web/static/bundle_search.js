"use strict";
// The search of a bundle: every word must stand in a trace's texts. Texts are set as text, never as markup.

const SHOWN = 100;
const traces = globalThis.stepdownTraces ?? [];
const [words, run, verdict] = ["words", "run", "verdict"].map((id) => document.getElementById(id));
const folded = traces.map((one) => one.slice(2).join(" ").toLowerCase());

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// The beginning of a text, from a little before the first word that was found.
function excerpt(text, wanted) {
  const at = Math.max(0, ...wanted.map((word) => text.toLowerCase().indexOf(word)).filter((place) => place > 60).map((place) => place - 40).slice(0, 1));
  const part = text.slice(at, at + 200);
  return (at ? "…" : "") + part + (at + 200 < text.length ? "…" : "");
}

function row([file, ofRun, problem, its, answer, question, plan, solution], wanted) {
  const item = document.createElement("li");
  const link = element("a", problem);
  link.href = file;
  item.append(link, " ", element("span", its, `badge ${its}`), " ", element("code", ofRun, "small muted"));
  const inSolution = wanted.some((word) => !question.toLowerCase().includes(word));
  item.append(element("p", excerpt(question, wanted)));
  if (inSolution && wanted.length) item.append(element("p", excerpt(`${plan} ${solution}`, wanted), "muted"));
  if (answer) item.append(element("p", `answer: ${answer}`, "small"));
  return item;
}

function search() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = traces.filter((one, at) => (!run.value || one[1] === run.value) && (!verdict.value || one[3] === verdict.value)
    && wanted.every((word) => folded[at].includes(word)));
  document.getElementById("count").textContent = `${found.length} of ${traces.length} traces${found.length > SHOWN ? `; the first ${SHOWN} are shown` : ""}`;
  document.getElementById("found").replaceChildren(...found.slice(0, SHOWN).map((one) => row(one, wanted)));
}

for (const field of [words, run, verdict]) field.addEventListener("input", search);
search();
