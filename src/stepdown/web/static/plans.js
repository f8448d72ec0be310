"use strict";
// The plan editor with a field for each step, the time a plan is looked at, and the keys of the queue.
// Without it, the steps are lines of one text field and everything else is the same.

const MOST_SECONDS = 600;
const editors = new WeakMap();

// -- steps as fields

class Steps {
  constructor(form) {
    this.form = form;
    this.text = form.elements.steps;
    this.before = this.lines(this.text.dataset.before ?? this.text.defaultValue);
    this.list = document.createElement("ol");
    this.list.className = "rows";
    const add = button("Add a step", "Add a step at the end", () => this.insert(this.list.children.length, ""));
    this.text.parentElement.before(this.list, add);
    this.text.parentElement.hidden = true;
    this.lines(this.text.value).forEach((line, place) => this.put(place, line));
    this.update();
  }

  lines(text) {
    return text.split("\n").map((line) => line.trim()).filter(Boolean);
  }

  put(place, text) {
    const row = document.createElement("li");
    const field = document.createElement("textarea");
    field.rows = 1;
    field.value = text;
    field.addEventListener("input", () => this.update());
    field.addEventListener("keydown", (event) => this.typed(event, row));
    row.append(
      field,
      button("↑", "up", () => this.move(row, -1)),
      button("↓", "down", () => this.move(row, 1)),
      button("Delete", "delete", () => this.remove(row)),
    );
    this.list.insertBefore(row, this.list.children[place] || null);
    return row;
  }

  // Put other steps in the place of all that are there.
  replace(lines, said) {
    this.list.replaceChildren();
    lines.forEach((line, place) => this.put(place, line));
    this.update(said);
  }

  insert(place, text) {
    this.put(place, text).firstChild.focus();
    this.update(`step ${place + 1} added`);
  }

  move(row, by) {
    const place = this.place(row) + by;
    if (place < 0 || place >= this.list.children.length) return;
    const focused = document.activeElement;
    if (by < 0) row.previousElementSibling.before(row);
    else row.nextElementSibling.after(row);
    focused.focus();
    this.update(`moved to ${place + 1}`);
  }

  remove(row) {
    const place = this.place(row);
    row.remove();
    if (!this.list.children.length) this.put(0, "");
    this.list.children[Math.max(0, place - 1)].firstChild.focus();
    this.update(`step ${place + 1} deleted`);
  }

  place(row) {
    return [...this.list.children].indexOf(row);
  }

  typed(event, row) {
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.insert(this.place(row) + 1, "");
    } else if (event.key === "Backspace" && !row.firstChild.value) {
      event.preventDefault();
      this.remove(row);
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      this.move(row, event.key === "ArrowUp" ? -1 : 1);
    }
  }

  update(said) {
    [...this.list.children].forEach((row, place) => this.name(row, place + 1));
    const now = [...this.list.children].map((row) => row.firstChild.value.replace(/\s+/g, " ").trim()).filter(Boolean);
    this.text.value = now.join("\n");
    this.show(diff(this.before, now));
    // Whoever keeps what is typed hears of a step that was moved, too.
    if (said) this.text.dispatchEvent(new Event("input", { bubbles: true }));
    if (said) this.form.querySelector("[data-said]").textContent = said;
  }

  name(row, number) {
    const [field, up, down, remove] = row.children;
    field.setAttribute("aria-label", `Step ${number}`);
    up.setAttribute("aria-label", `Move step ${number} up`);
    down.setAttribute("aria-label", `Move step ${number} down`);
    remove.setAttribute("aria-label", `Delete step ${number}`);
    up.disabled = number === 1;
    down.disabled = number === this.list.children.length;
  }

  show(changes) {
    const box = this.form.querySelector(".changed");
    box.hidden = changes.every(([kind]) => kind === "same");
    box.querySelector(".diff").replaceChildren(...changes.map(([kind, text]) => changed(kind, text)));
  }
}

function button(text, label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet small";
  made.textContent = text;
  if (label !== text.toLowerCase()) made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

function changed(kind, text) {
  const item = document.createElement("li");
  item.className = kind;
  const words = kind === "same" ? item : item.appendChild(document.createElement(kind === "gone" ? "del" : "ins"));
  words.textContent = text;
  return item;
}

// The longest common steps stay; what is left went or came.
function diff(before, after) {
  const table = before.map(() => []);
  const at = (i, j) => (i < before.length && j < after.length ? table[i][j] : 0);
  for (let i = before.length - 1; i >= 0; i -= 1)
    for (let j = after.length - 1; j >= 0; j -= 1)
      table[i][j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const found = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) found.push(["same", before[(j += 1, i++)]]);
    else if (j >= after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) found.push(["gone", before[i++]]);
    else found.push(["new", after[j++]]);
  }
  return found;
}

// -- the time a plan is looked at

function measure(form) {
  let seconds = 0;
  let since = document.hidden ? null : performance.now();
  const stop = () => {
    if (since !== null) seconds += (performance.now() - since) / 1000;
    since = null;
  };
  const go = () => {
    stop();
    if (!document.hidden) since = performance.now();
    form.elements.seconds.value = Math.min(MOST_SECONDS, seconds).toFixed(1);
  };
  document.addEventListener("visibilitychange", go);
  // Before htmx reads the fields, and before a form is sent without it.
  form.addEventListener("click", go, true);
  form.addEventListener("submit", go, true);
}

// -- keys

function pressedKey(event) {
  const form = document.querySelector("form[data-plan]");
  const typing = event.target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select");
  if (!form || event.defaultPrevented || event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) act(event, () => solve(form));
  else if (event.key === "Escape" && typing) act(event, () => typing.blur());
  else if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key === "e") act(event, () => edit(form));
  // Only where the page says so: elsewhere a stray Enter would cost a call.
  else if (!document.getElementById("keys")) return;
  else if (event.key === "Enter" && event.target === document.body) act(event, () => solve(form));
  else if (event.key === "?") act(event, showKeys);
  else if (event.key === "l") once(form, event, "[data-leave]", "leave the problem unsolved");
  else if (event.key === "s") once(form, event, "[data-skip]", "put it off");
  else if (event.key === "d") once(form, event, "[data-discard]", "set it aside");
  else if (event.key === "u") press("[data-undo]", event);
  else if (event.key === "o") startFromNext(event);
}

function act(event, work) {
  event.preventDefault();
  work();
}

function edit(form) {
  (form.querySelector(".rows textarea") || form.elements.steps).focus();
}

function solve(form) {
  const main = form.querySelector("[data-solve]");
  if (main && !main.disabled) main.click();
}

function press(which, event) {
  const found = document.querySelector(which);
  if (found) act(event, () => found.click());
}

// A key that is hit by accident must not throw an edit away.
function once(form, event, which, words) {
  if (!form.hasAttribute("data-changed") || form.dataset.sure === event.key) return press(which, event);
  form.dataset.sure = event.key;
  const detail = `You have changed this plan. Press ${event.key} again to ${words} all the same.`;
  act(event, () => form.dispatchEvent(new CustomEvent("stepdown:complain", { bubbles: true, detail })));
}

// -- another run's plan to start from

function startFrom(link, event) {
  const form = document.querySelector("form[data-plan]");
  if (!form || !editors.has(form) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  form.elements.why.value = link.dataset.why;
  editors.get(form).replace(link.dataset.start.split("\n"), link.dataset.why);
  form.scrollIntoView({ block: "nearest" });
}

function startFromNext(event) {
  const all = [...document.querySelectorAll("a[data-start]")];
  if (!all.length) return;
  const at = all.findIndex((one) => one === startFromNext.last);
  startFromNext.last = all[(at + 1) % all.length];
  act(event, () => startFromNext.last.click());
}

function showKeys() {
  const keys = document.getElementById("keys");
  keys.open = !keys.open;
  if (keys.open) keys.scrollIntoView({ block: "nearest" });
}

document.querySelectorAll("form[data-plan]").forEach((form) => {
  editors.set(form, new Steps(form));
  measure(form);
});
document.querySelectorAll("a[data-start]").forEach((link) => link.addEventListener("click", (event) => startFrom(link, event)));
document.addEventListener("keydown", pressedKey);
