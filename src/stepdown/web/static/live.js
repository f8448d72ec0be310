"use strict";
// What changes by itself: the list of runs, a solution that is being written, and the word that a server has gone.

const EVERY = 2000;
const OFTEN = 400;

// -- a server that has gone, or that asks for a login

function loginLink(words) {
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = words;
  return link;
}

function sayLost(...words) {
  let box = document.getElementById("lost");
  if (!box) {
    box = document.createElement("p");
    box.id = "lost";
    box.className = "wrong";
    box.setAttribute("role", "alert");
    document.getElementById("main").prepend(box);
  }
  const now = document.createElement("p");
  now.append(...words);
  if (box.textContent !== now.textContent) box.replaceChildren(...now.childNodes);
}

function sayBack() {
  const box = document.getElementById("lost");
  if (box) box.remove();
}

function sayGone() {
  sayLost("The server does not answer. This page shows what was known last, and goes on by itself.");
}

function sayRefused(status) {
  if (status === 401) sayLost("Your login has ended. ", loginLink("Log in again"), " to see what is new.");
  else if (status === 404) sayLost("The server was started again and knows nothing of this any more.");
  else sayLost(`The server answered with an error (${status}).`);
}

document.addEventListener("htmx:sendError", (event) => {
  if (!event.target.closest("form[data-draft]")) sayGone();
});
document.addEventListener("htmx:responseError", (event) => {
  if (!event.target.closest("form[data-draft]")) sayRefused(event.detail.xhr.status);
});
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.xhr.status < 400) sayBack();
});

// Asks for JSON; null where there is none, which is said.
async function askFor(address) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "application/json" } });
  } catch {
    sayGone();
    return null;
  }
  if (answer.ok) sayBack();
  else sayRefused(answer.status);
  return answer.ok && answer.status !== 204 ? answer.json() : null;
}

// -- the list of runs

function showRows(rows) {
  const box = document.querySelector("#runs[data-live]");
  if (box) htmx.swap(box, rows, { swapStyle: "innerHTML" });
}

function followRows() {
  const address = document.getElementById("runs").dataset.live;
  let worker;
  try {
    worker = new SharedWorker(address);
  } catch {
    return pollRows();
  }
  worker.addEventListener("error", pollRows, { once: true });
  worker.port.onmessage = ({ data }) => {
    if (data.rows !== undefined) showRows(data.rows);
    if (data.lost) pollOnce();
    else sayBack();
  };
  addEventListener("pagehide", () => worker.port.postMessage("leave"), { once: true });
}

let seen = "";

// Says what is wrong, where the stream cannot.
async function pollOnce() {
  const found = await askFor(`/events/rows?seen=${seen}`);
  if (!found) return;
  seen = found.seen;
  showRows(found.rows);
}

function pollRows() {
  setInterval(() => document.hidden || pollOnce(), EVERY);
}

addEventListener("pageshow", (event) => {
  if (document.querySelector("#runs[data-live]") && event.persisted) followRows();
});
if (document.querySelector("#runs[data-live]")) followRows();

// -- a solution that is being written

async function followSolving(box) {
  const text = box.querySelector("[data-piece]");
  let at = 0;
  while (box.isConnected) {
    const found = await askFor(`${box.dataset.solving}?at=${at}`);
    if (found && found.text) text.append(found.text);
    if (found) at = found.at;
    if (found && found.done !== null) {
      htmx.swap(box.querySelector("[data-done]"), found.done, { swapStyle: "innerHTML" });
      return;
    }
    await new Promise((go) => setTimeout(go, found ? OFTEN : EVERY));
  }
}

document.addEventListener("htmx:load", (event) => {
  const box = event.target.closest("[data-solving]") || event.target.querySelector("[data-solving]");
  if (box && !box.dataset.followed) {
    box.dataset.followed = "yes";
    followSolving(box);
  }
});
