// Follows a run: fills in the logs of its steps and how they stand, as the server tells. Without this
// script the page shows the same after a reload, and logs have pages of their own.
"use strict";

(() => {
  const run = document.getElementById("run");
  const list = document.getElementById("steps");
  if (!run || !list || !window.EventSource) return;

  const SHOWN_MAX = 200000; // characters of a log; the page of the log has the rest
  const COLOUR = /\u001b\[[0-9;]*m/g;
  const items = new Map();
  const logs = new Map();
  for (const item of list.querySelectorAll("[data-step]")) items.set(item.dataset.step, item);

  function element(name, className, text) {
    const made = document.createElement(name);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // The item of a step; one of a called workflow is new and stands after those of the call.
  function item(step) {
    const known = items.get(step);
    if (known) return known;
    const parts = step.split("/");
    const made = element("li", "in-" + Math.min(parts.length - 1, 4));
    made.dataset.step = step;
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.append(element("span", "badge not_started", "not started"), " ", element("span", "name", step));
    details.append(summary, element("p", "why", ""));
    made.append(details);
    let before = null;
    for (let end = parts.length - 1; end > 0 && !before; end -= 1) {
      const caller = parts.slice(0, end).join("/");
      for (const [path, other] of items) {
        if (path === caller || path.startsWith(caller + "/")) before = other;
      }
    }
    if (before) before.after(made); else list.append(made);
    items.set(step, made);
    return made;
  }

  function state(step, word) {
    const badge = item(step).querySelector(".badge");
    badge.className = "badge " + word;
    badge.textContent = word.replaceAll("_", " ");
  }

  function why(end) {
    if (!end) return "";
    if (end.how === "exited") return end.code === 0 ? "" : "exit " + end.code;
    if (end.how === "signalled") return "signal " + end.signal;
    return end.message || end.reason || end.how.replaceAll("_", " ");
  }

  function told(event) {
    if (event.event === "step_started") {
      state(event.step, "running");
      item(event.step).querySelector("details").open = true;
    } else if (event.event === "step_retrying") {
      item(event.step).querySelector(".why").textContent = "attempt " + event.attempt + ": " + why(event.end);
    } else if (event.event === "step_finished") {
      state(event.step, event.status);
      item(event.step).querySelector(".why").textContent = why(event.end);
    }
  }

  function log(piece) {
    const key = piece.step + "\n" + piece.stream + "\n" + piece.attempt;
    let shown = logs.get(key);
    if (!shown) {
      const details = item(piece.step).querySelector("details");
      const name = piece.stream + (piece.attempt > 1 ? " of attempt " + piece.attempt : "");
      shown = element("pre", "log");
      shown.tabIndex = 0;
      shown.setAttribute("aria-label", "Log of " + piece.step + ": " + name);
      details.append(element("p", "more", name), shown);
      logs.set(key, shown);
    }
    const isAtEnd = shown.scrollTop + shown.clientHeight >= shown.scrollHeight - 4;
    shown.append(piece.text.replace(COLOUR, ""));
    while (shown.textContent.length > SHOWN_MAX && shown.firstChild !== shown.lastChild) {
      shown.firstChild.remove();
    }
    if (isAtEnd) shown.scrollTop = shown.scrollHeight;
  }

  const isLive = run.dataset.live === "true";
  const source = new EventSource("/api/v1/runs/" + encodeURIComponent(run.dataset.run) + "/events");
  source.addEventListener("run", (message) => { if (isLive) told(JSON.parse(message.data)); });
  source.addEventListener("log", (message) => log(JSON.parse(message.data)));
  source.addEventListener("reset", () => {
    for (const shown of logs.values()) shown.textContent = "";
  });
  source.addEventListener("end", (message) => {
    source.close();
    const badge = document.getElementById("state");
    const word = JSON.parse(message.data).status;
    badge.className = "badge " + word;
    badge.textContent = word.replaceAll("_", " ");
    run.dataset.live = "over";
    // What may be done with a run that is over, the server knows.
    if (isLive) window.location.replace(window.location.pathname);
  });
})();
