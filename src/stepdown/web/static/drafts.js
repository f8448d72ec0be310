"use strict";
// What a person types is kept in this browser until the server has it, and a form says when it could not be sent.

// In a block, so that its names are its own beside those of the other files.
{
  const DRAFT = "stepdown draft ";
  const OLDEST = 60 * 24 * 3600 * 1000;
  const unkept = new Set();

  // -- what a form holds

  function fieldsOf(form) {
    return [...form.elements].filter((one) => one.name && one.type !== "hidden" && one.type !== "password" && one.tagName !== "BUTTON");
  }

  // Steps are lines, whatever blanks stand around them.
  function tidy(field, value) {
    if (field.name !== "steps") return value;
    return value.split("\n").map((line) => line.replace(/\s+/g, " ").trim()).filter(Boolean).join("\n");
  }

  function isTicked(field) {
    return field.type === "checkbox" || field.type === "radio";
  }

  function valuesOf(form) {
    return fieldsOf(form).map((one) => [one.name, isTicked(one) ? one.checked : tidy(one, one.value)]);
  }

  // What the server wrote into a form, whatever a browser has put in its place.
  function writtenIn(form) {
    return fieldsOf(form).map((one) => {
      if (isTicked(one)) return [one.name, one.defaultChecked];
      if (one.tagName !== "SELECT") return [one.name, tidy(one, one.defaultValue)];
      const chosen = [...one.options].find((option) => option.defaultSelected) || one.options[0];
      return [one.name, chosen ? chosen.value : ""];
    });
  }

  function same(one, other) {
    return JSON.stringify(one) === JSON.stringify(other);
  }

  function keyOf(form) {
    const sample = form.elements.sample;
    const more = form.getAttribute("data-draft") === "address" ? location.search : sample ? ` ${sample.value}` : "";
    return `${DRAFT}${form.getAttribute("action")}${more}`;
  }

  function isChanged(form) {
    return !same(valuesOf(form), form.written);
  }

  // A field named as a property of its form stands in for it, such as `dataset`: attributes are safe.
  function mark(form, changed) {
    form.toggleAttribute("data-changed", changed);
  }

  // -- keeping it

  function store(form) {
    const key = keyOf(form);
    mark(form, isChanged(form));
    const base = form.elements.base ? form.elements.base.value : "";
    try {
      if (!isChanged(form) && !form.shownAgain) localStorage.removeItem(key);
      else localStorage.setItem(key, JSON.stringify({ values: valuesOf(form), base, when: Date.now() }));
      unkept.delete(form);
    } catch {
      // No room, or a browser that keeps nothing: leaving the page then asks first.
      if (isChanged(form)) unkept.add(form);
      else unkept.delete(form);
    }
  }

  function forget(form) {
    unkept.delete(form);
    form.shownAgain = false;
    try {
      localStorage.removeItem(keyOf(form));
    } catch {
      // Nothing was kept.
    }
  }

  function read(form) {
    try {
      return JSON.parse(localStorage.getItem(keyOf(form)));
    } catch {
      return null;
    }
  }

  function fill(form, values) {
    const fields = fieldsOf(form);
    values.forEach(([name, value], place) => {
      const field = fields[place];
      if (!field || field.name !== name) return;
      if (isTicked(field)) field.checked = value;
      else field.value = value;
    });
  }

  function forgetOld() {
    try {
      for (const key of Object.keys(localStorage).filter((one) => one.startsWith(DRAFT)))
        if (!((JSON.parse(localStorage.getItem(key)) || {}).when > Date.now() - OLDEST)) localStorage.removeItem(key);
    } catch {
      // What cannot be read is nobody's.
    }
  }

  // -- what a form says

  function box(form, kind, role) {
    let found = form.querySelector(`[data-${kind}]`);
    if (!found) {
      found = document.createElement("div");
      found.setAttribute(`data-${kind}`, "");
      found.setAttribute("role", role);
      form.append(found);
    }
    return found;
  }

  function complain(form, ...words) {
    const place = box(form, "complaint", "alert");
    place.className = "wrong";
    place.replaceChildren(...words);
    place.scrollIntoView({ block: "nearest" });
  }

  function hush(form) {
    form.querySelectorAll("[data-complaint], [data-at]").forEach((one) => one.remove());
    form.querySelectorAll("[aria-invalid]").forEach((field) => {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
    });
  }

  // What an answer says of single fields is put at them; false where it says nothing of any.
  function tellFields(form, root) {
    let first = null;
    for (const said of root.querySelectorAll("[data-at]")) {
      const named = form.elements.namedItem(said.dataset.at);
      const hidden = named && named.closest("[hidden]");
      const field = hidden ? form.querySelector(".rows textarea") || named : named;
      if (!field || !field.setAttribute) continue;
      const told = document.createElement("small");
      told.className = "wrong";
      told.id = `error-${said.dataset.at}`;
      told.dataset.at = said.dataset.at;
      told.append(...[...said.childNodes].map((node) => node.cloneNode(true)));
      (hidden ? form.querySelector(".rows") : field.closest("label") || field).after(told);
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", told.id);
      first = first || field;
    }
    if (first) first.focus();
    return Boolean(first);
  }

  function act(words, work) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "quiet small";
    made.textContent = words;
    made.addEventListener("click", work);
    return made;
  }

  function restore(form) {
    const kept = read(form);
    if (!kept || same(kept.values, form.written)) return forget(form);
    const base = form.elements.base;
    const changed = base && kept.base !== "" && kept.base !== base.value;
    fill(form, kept.values);
    // The server tells whoever goes on from an older plan what has become of it.
    if (changed) base.value = kept.base;
    const note = box(form, "kept", "status");
    note.className = "note";
    const when = new Date(kept.when).toLocaleString();
    const more = changed ? " The plan was changed meanwhile; yours is shown here." : "";
    note.replaceChildren(`What you typed is here again (${when}); it was not sent.${more} `, act("Discard it", () => {
      forget(form);
      form.reset();
      location.reload();
    }));
    mark(form, true);
    const around = form.closest("details");
    if (around) around.open = true;
  }

  // -- sending

  const NO_ANSWER = "The server does not answer. What you typed is kept here: send it again once it does.";

  function refusedText(page) {
    const found = page.querySelector("main [role=alert]");
    const next = found && found.nextElementSibling;
    const hint = next && next.matches("p") && !next.querySelector("a.button") ? ` ${next.textContent.trim()}` : "";
    return found ? `${found.textContent.trim()}${hint}` : "That did not work, and the server does not say why.";
  }

  function refuse(form, status, text) {
    if (status === 401) return complain(form, "Your login has ended. ", loginLink("Log in again"), "; what you typed is here again then.");
    const page = new DOMParser().parseFromString(text, "text/html");
    const conflict = page.getElementById("conflict");
    if (status === 409 && conflict) {
      if (form.elements.base) form.elements.base.value = conflict.dataset.base;
      return complain(form, ...conflict.childNodes);
    }
    if (tellFields(form, page)) return undefined;
    return complain(form, refusedText(page));
  }

  // A page that shows the form again, with what is wrong or what it would take, takes the place of this one.
  function shownAgain(form, text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const again = page.querySelector(`main form[action="${CSS.escape(form.getAttribute("action"))}"]`);
    if (!again || form.getAttribute("data-draft") !== "address") return false;
    document.getElementById("main").replaceChildren(...page.getElementById("main").childNodes);
    const now = document.querySelector(`form[action="${CSS.escape(form.getAttribute("action"))}"]`);
    watch(now, true);
    store(now);
    htmx.process(document.getElementById("main"));
    const said = document.querySelector("#main [role=alert], #costings");
    if (said) {
      said.setAttribute("tabindex", "-1");
      said.focus();
    }
    return true;
  }

  function leaveFor(form, address) {
    forget(form);
    const there = new URL(address);
    if (there.pathname === location.pathname && there.search === location.search) location.reload();
    else location.assign(address);
  }

  async function send(event) {
    const form = event.target;
    if (!form.hasAttribute("data-draft") || event.defaultPrevented) return;
    event.preventDefault();
    if (form.sending) return;
    form.sending = true;
    const body = new URLSearchParams(new FormData(form));
    if (event.submitter && event.submitter.name) body.set(event.submitter.name, event.submitter.value);
    hush(form);
    form.setAttribute("aria-busy", "true");
    let answer = null;
    let text = "";
    try {
      answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "text/html" } });
      text = await answer.text();
    } catch {
      answer = null;
    }
    form.sending = false;
    form.removeAttribute("aria-busy");
    if (!answer) complain(form, NO_ANSWER);
    else if (answer.ok && answer.redirected) leaveFor(form, answer.url);
    else if (answer.status === 401 || answer.status === 409 || !shownAgain(form, text)) refuse(form, answer.status, text);
  }

  // -- the same for what htmx sends

  function formOf(event) {
    const form = event.target.closest && event.target.closest("form[data-draft]");
    return form || null;
  }

  document.addEventListener("htmx:sendError", (event) => {
    const form = formOf(event);
    if (form) complain(form, NO_ANSWER);
  });
  document.addEventListener("htmx:responseError", (event) => {
    const form = formOf(event);
    if (form) refuse(form, event.detail.xhr.status, event.detail.xhr.responseText);
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = formOf(event);
    if (form) hush(form);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const form = document.querySelector("form[data-plan]");
    if (form && event.target.id === "solving" && tellFields(form, event.target))
      event.target.querySelectorAll("[data-at]").forEach((one) => one.remove());
  });
  // The edit is the server's from now on: what is typed next begins from it.
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = formOf(event);
    const solving = document.querySelector("#solving [data-base]");
    if (!form || !event.detail.successful || !solving) return;
    if (form.elements.base) form.elements.base.value = solving.dataset.base;
    form.written = valuesOf(form);
    forget(form);
    const note = form.querySelector("[data-kept]");
    if (note) note.remove();
  });

  // -- start

  function watch(form, again = false) {
    form.written = again ? valuesOf(form) : writtenIn(form);
    form.shownAgain = again;
    form.addEventListener("input", () => store(form));
    form.addEventListener("change", () => store(form));
  }

  forgetOld();
  document.querySelectorAll("form[data-draft]").forEach((form) => {
    watch(form);
    restore(form);
  });
  document.addEventListener("submit", send);
  document.addEventListener("stepdown:complain", (event) => complain(event.target, event.detail));
  addEventListener("beforeunload", (event) => {
    if (unkept.size) event.preventDefault();
  });
}
