"use strict";
// Keys of the pages on which people vote and mark: each button and choice says which keys press it.
// Without it, everything is done by pointer, or by Tab and Enter.

function isTyping(target) {
  return target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]");
}

// Of several criteria, keys choose in the one that has the focus, or else in the first without a mark.
function current() {
  const all = [...document.querySelectorAll("fieldset.criterion")];
  const focused = all.find((one) => one.contains(document.activeElement));
  return focused || all.find((one) => !one.querySelector("input:checked")) || all[0] || document;
}

function showCurrent() {
  const now = current();
  for (const one of document.querySelectorAll("fieldset.criterion")) one.toggleAttribute("data-current", one === now);
}

function press(found) {
  if (!found.matches("input[type=radio]")) return found.click();
  found.checked = true;
  // On to the next criterion without a mark, or to the button.
  if (document.activeElement !== document.body) document.activeElement.blur();
  const left = [...document.querySelectorAll("fieldset.criterion")].some((one) => !one.querySelector("input:checked"));
  if (!left) document.querySelector("form.marking button").focus();
  else current().scrollIntoView({ block: "nearest" });
  showCurrent();
}

function pressedKey(event) {
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "?") {
    const keys = document.getElementById("keys");
    keys.open = !keys.open;
    if (keys.open) keys.scrollIntoView({ block: "nearest" });
    return event.preventDefault();
  }
  // The arrows of a group of choices move in it.
  if (event.target.matches("input[type=radio]") && event.key.startsWith("Arrow")) return;
  const holds = (one) => one.dataset.press.split(" ").includes(event.key);
  const found = [...current().querySelectorAll("[data-press]")].find(holds);
  if (!found) return;
  event.preventDefault();
  press(found);
}

document.addEventListener("keydown", pressedKey);
document.addEventListener("focusin", showCurrent);
document.addEventListener("change", showCurrent);
showCurrent();
