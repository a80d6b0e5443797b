"use strict";
// Everything that comes from the server is put in as text, never as markup.

const STATUSES = {
  completed: "Completed", failed: "Failed", failed_submissions: "Failed to start", cancelled: "Cancelled",
  deleted: "Deleted", unknown: "End not seen", not_submitted: "Not submitted", under_way: "Under way",
};

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const byId = (id) => document.getElementById(id);
const count = (number) => Number(number).toLocaleString("en-US");
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const whole = Math.round(seconds);
  if (whole < 60) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${whole} s`;
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([size]) => whole >= size);
  const [size, name] = parts[first];
  const [next, nextName] = parts[first + 1] ?? [];
  const rest = next ? Math.floor((whole % size) / next) : 0;
  return `${Math.floor(whole / size)} ${name}${rest ? ` ${rest} ${nextName}` : ""}`;
}

function moment(text) {
  if (!text) return "";
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return element("span", { text });
  const shown = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  return element("time", { datetime: at.toISOString(), title: at.toISOString(), text: shown });
}

// An object or a folder in S3.
function located({ uri, link }) {
  return link ? element("a", { href: link, target: "_blank", rel: "noreferrer", text: uri }) : element("code", { text: uri });
}

function badge(text, kind, title) {
  return element("span", { class: `badge ${kind || ""}`, title, text });
}

const GOOD = ["success", "PROCESSED", "COMPLETED"];
const BAD = ["failed", "upstream_failed", "FAILED", "RUNS_DELETE_FAILED"];
const BUSY = ["running", "deferred", "queued", "scheduled", "up_for_retry", "CREATING", "PENDING", "SUBMITTING", "INPROGRESS", "STOPPING"];

function stateBadge(state, title) {
  const kind = GOOD.includes(state) ? "good" : BAD.includes(state) ? "bad" : BUSY.includes(state) ? "busy" : "";
  return badge(state || "no state", kind, title);
}

// A refusal of this server, as opposed to a problem that an answer tells of.
class Refusal extends Error {
  constructor(status) {
    super(status === 401 ? "Your login has ended." : status === 403 ? "You may not see this." : `The server answered ${status}.`);
    this.status = status;
  }
}

async function get(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw new Refusal(answer.status);
  return answer.json();
}

// What is the same stays, so that it is read aloud once; and the focus stays where it was.
function replace(id, ...children) {
  const place = byId(id);
  const made = place.cloneNode(false);
  made.append(...children);
  if (made.innerHTML === place.innerHTML) return;
  const controls = () => [...place.querySelectorAll("button, a, summary, [tabindex]")];
  const focused = controls().indexOf(document.activeElement);
  place.replaceChildren(...made.childNodes);
  if (focused >= 0) (controls()[focused] ?? place).focus({ preventScroll: true });
}

function showProblems(problems) {
  const shown = [...problems.values()].filter(Boolean);
  const seen = new Set();
  replace("problems", ...shown.filter(({ what }) => !seen.has(what) && seen.add(what)).map(({ code, what, remedy, retry }) =>
    element("div", { class: "problem", role: "alert" },
      element("p", {}, element("strong", { text: what })),
      remedy ? element("p", { text: `What to do: ${remedy}` }) : null,
      code ? element("p", { class: "quiet", text: code }) : null,
      retry ? element("button", { type: "button", text: "Reload", onclick: () => location.reload() }) : null)));
}

function problemOf(error) {
  if (error instanceof Refusal) {
    const remedy = error.status === 401 ? "Log in to Airflow again, then reload this page." : error.status === 403
      ? "Ask for permission to read this DAG." : "Try again; if it lasts, see the log of Airflow's API server.";
    return { what: error.message, remedy, retry: true };
  }
  return { what: "Airflow does not answer.", remedy: "The page tries again by itself." };
}

function announce(text) {
  const news = byId("news");
  if (news.textContent !== text) news.textContent = text;
}

// Airflow's own choice of light or dark, which it keeps for this address; else the browser's.
function followTheme() {
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* no storage, no choice */ }
  if (chosen && chosen.startsWith('"')) chosen = JSON.parse(chosen);
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
}
followTheme();
window.addEventListener("storage", followTheme);
