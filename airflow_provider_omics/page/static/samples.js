"use strict";
// The table of samples: search, filters, sorting, pages, and what is known about one of them.

const COST = "Cost (USD)";
const OPEN = "Open";
const COLUMNS = [
  ["sample", "Sample"], ["status", "Status"], ["failure_class", "Failure"], ["", "Run"], ["start_time", "Started"],
  ["duration", "Run time", "number"], ["cost_usd", COST, "number"], ["", OPEN],
];
const DEFAULTS = { search: "", status: "", failure_class: "", reason: "", sort: "input", descending: "false", page: "1", size: "50" };

class Samples {
  constructor(data, problems) {
    this.data = data;
    this.problems = problems;
    this.query = { ...DEFAULTS };
    for (const [name, value] of new URLSearchParams(location.search)) if (name in DEFAULTS) this.query[name] = value;
    this.open = new Map();
    this.asked = 0;
    this.pages = 1;
    this.hasCost = this.hasLinks = false;
    this._listen();
    this._head();
    this._fill();
  }

  _listen() {
    let typing;
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("search").addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => this.change({ search: event.target.value.trim() }), 250);
    });
    for (const name of ["status", "failure_class", "size"]) {
      byId(name).addEventListener("change", (event) => this.change({ [name]: event.target.value, reason: "" }));
    }
    byId("reset").addEventListener("click", () => {
      this.change({ search: "", status: "", failure_class: "", reason: "" });
      byId("search").focus();
    });
    const turns = { first: () => 1, previous: () => Number(this.query.page) - 1, next: () => Number(this.query.page) + 1, last: () => this.pages };
    for (const [id, to] of Object.entries(turns)) byId(id).addEventListener("click", () => this.turn(to()));
    byId("page").addEventListener("change", (event) => this.turn(Number(event.target.value) || 1));
  }

  _head() {
    byId("head").replaceChildren(...this.columns().map(([sort, label, kind]) => {
      if (!sort) return element("th", { scope: "col", text: label });
      const descending = this.query.descending === "true";
      const sorted = this.query.sort === sort ? (descending ? "descending" : "ascending") : null;
      const arrow = sorted ? (descending ? " ▼" : " ▲") : "";
      return element("th", { scope: "col", class: kind, "aria-sort": sorted },
        element("button", { type: "button", class: "sort", onclick: () => this.sort(sort) },
          label, element("span", { "aria-hidden": "true", text: arrow })));
    }));
  }

  // What no sample has needs no column.
  columns() {
    return COLUMNS.filter(([, label]) => (label !== COST || this.hasCost) && (label !== OPEN || this.hasLinks));
  }

  _fill() {
    for (const name of ["search", "size", "status", "failure_class"]) {
      const field = byId(name);
      if (field.value !== this.query[name] && document.activeElement !== field) field.value = this.query[name];
    }
    const { search, status, failure_class: kind, reason } = this.query;
    byId("reset").hidden = !(search || status || kind || reason);
    byId("reset").textContent = reason ? `Clear filters (${reason})` : "Clear filters";
  }

  // The values that samples have, from the table itself.
  offer(counts, classes) {
    const options = (name, found, label) => {
      const known = { ...found };
      if (this.query[name] && !(this.query[name] in known)) known[this.query[name]] = 0;
      const wanted = Object.entries(known).map(([value, number]) => [value, `${label(value)} (${count(number)})`]);
      replace(name, element("option", { value: "", text: "all" }),
        ...wanted.map(([value, text]) => element("option", { value, text })));
      byId(name).value = this.query[name];
    };
    options("status", counts, (value) => STATUSES[value] || value);
    options("failure_class", classes, (value) => value);
  }

  change(parts) {
    Object.assign(this.query, { page: "1" }, parts);
    this._remember();
    this._fill();
    return this.load();
  }

  turn(page) {
    this.query.page = String(Math.min(Math.max(1, Math.trunc(page)), this.pages));
    this._remember();
    return this.load().then(() => byId("scroll").scrollTo({ top: 0 }));
  }

  sort(sort) {
    const same = this.query.sort === sort;
    // Ascending, descending, and then the order of the input again.
    if (same && this.query.descending === "true") this.change({ sort: "input", descending: "false" });
    else this.change({ sort, descending: String(same) });
    this._head();
    const at = this.columns().findIndex(([name]) => name === sort);
    byId("head").children[at].querySelector("button").focus();
  }

  _remember() {
    const kept = new URLSearchParams(Object.entries(this.query).filter(([name, value]) => value !== DEFAULTS[name]));
    history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
  }

  async load() {
    const asked = ++this.asked;
    byId("table").setAttribute("aria-busy", "true");
    try {
      const wanted = new URLSearchParams(Object.entries(this.query).filter(([, value]) => value !== ""));
      const answer = await get(`${this.data}/samples?${wanted}`);
      if (asked === this.asked) this._show(answer);
      this.problems.set("samples", answer.problem || null);
    } catch (error) {
      this.problems.set("samples", problemOf(error));
    }
    byId("table").removeAttribute("aria-busy");
    showProblems(this.problems);
  }

  _show(answer) {
    const ready = answer.state === "ready";
    byId("scroll").hidden = byId("pages").hidden = !ready;
    byId("filters").hidden = !ready;
    replace("table-state", ...this._state(answer));
    if (!ready) {
      if (answer.state === "reading") setTimeout(() => this.load(), 400);
      return;
    }
    this.pages = Math.max(1, Math.ceil(answer.matched / Number(this.query.size)));
    const { hasCost, hasLinks } = this;
    this.hasCost ||= answer.rows.some((row) => row.cost_usd);
    this.hasLinks ||= answer.rows.some((row) => Object.keys(row.links).length);
    if (hasCost !== this.hasCost || hasLinks !== this.hasLinks) this._head();
    replace("rows", ...answer.rows.flatMap((row) => this._row(row)));
    if (!answer.rows.length) {
      byId("rows").append(element("tr", {}, element("td", { colspan: this.columns().length, class: "quiet", text: "No sample fits." })));
    }
    const page = Math.min(Number(this.query.page), this.pages);
    byId("page").value = page;
    byId("of").textContent = `of ${count(this.pages)}`;
    byId("first").disabled = byId("previous").disabled = page <= 1;
    byId("next").disabled = byId("last").disabled = page >= this.pages;
    byId("pages").hidden = this.pages === 1;
    announce(`${plural(answer.matched, "sample")}, page ${page} of ${count(this.pages)}`);
  }

  _state(answer) {
    if (answer.state === "reading") {
      const share = answer.size ? Math.floor((100 * answer.done) / answer.size) : 0;
      return [`The results table is being read … ${share} %`];
    }
    if (answer.state === "missing") {
      return ["There is no results table yet: the task writes it once its batches have ended, to ", element("code", { text: answer.uri }), "."];
    }
    if (answer.state === "waiting") return ["The task has not begun yet."];
    if (answer.state !== "ready") return [];
    const some = answer.matched === answer.total ? plural(answer.total, "sample") : `${count(answer.matched)} of ${plural(answer.total, "sample")}`;
    return [`${some}, as of `, moment(answer.written), ", in ", located(answer)];
  }

  _row(row) {
    const name = row.run_setting_id;
    const id = `more-${row.number}`;
    const isOpen = this.open.has(name);
    const more = element("tr", { class: "more", id, hidden: !isOpen }, element("td", { colspan: this.columns().length }));
    const toggle = element("button", { type: "button", class: "toggle", "aria-expanded": String(isOpen), "aria-controls": id,
      title: "What is known about this sample", onclick: () => this._toggle(row, toggle, more) }, name);
    if (isOpen) more.firstChild.append(...this._details(row));
    const why = row.failure_class ? [row.failure_class, row.reason].filter(Boolean).join(": ") : "";
    const links = [["run", "run"], ["log", "log"], ["output", "outputs"]].filter(([kind]) => row.links[kind]);
    return [element("tr", {},
      element("th", { scope: "row" }, toggle),
      element("td", {}, badge(STATUSES[row.status] || row.status, `status-${row.status}`, row.run_status)),
      element("td", { class: "why", text: why, title: row.failure_message || why }),
      element("td", { class: "run" }, row.run_id ? element("code", { text: row.run_id }) : null),
      element("td", {}, moment(row.start_time)),
      element("td", { class: "number", text: duration(row.duration) }),
      this.hasCost ? element("td", { class: "number", text: row.cost_usd ?? "" }) : null,
      !this.hasLinks ? null : element("td", { class: "links" }, ...links.map(([kind, text]) =>
        element("a", { href: row.links[kind], target: "_blank", rel: "noreferrer", "aria-label": `${text} of ${name}`, text })))), more];
  }

  _toggle(row, toggle, more) {
    const open = more.hidden;
    more.hidden = !open;
    toggle.setAttribute("aria-expanded", String(open));
    if (!open) this.open.delete(row.run_setting_id);
    else if (!more.firstChild.childNodes.length) more.firstChild.append(...this._details(row));
  }

  _details(row) {
    this.open.set(row.run_setting_id, true);
    const facts = element("dl", { class: "facts" });
    const add = (label, value) => { if (value) facts.append(element("div", {}, element("dt", { text: label }), element("dd", {}, value))); };
    add("Status", [row.submission_status, row.run_status].filter(Boolean).join(", "));
    add("Batch", row.batch_id);
    add("Run", row.run_id);
    add("Started", moment(row.start_time));
    add("Ended", moment(row.stop_time));
    add("Outputs", row.output_uri ? element("code", { text: row.output_uri }) : null);
    add("Cached tasks", row.run_cache_hits);
    for (const [name, value] of Object.entries(row)) if (USAGE[name] && value !== null) add(USAGE[name], value);
    const parts = [];
    if (row.advice) {
      parts.push(element("p", {}, element("strong", { text: row.failure_message || row.reason || STATUSES[row.status] || "" })));
      // What the task has not looked up is looked up with the log.
      if (row.reason || row.status !== "failed") parts.push(this._advice(row.advice));
    }
    parts.push(facts);
    if (row.status === "failed" && row.run_id) {
      const place = element("div", { class: "log" }, element("p", { class: "quiet", text: "Reading the log of the failed tasks …" }));
      parts.push(place);
      this._log(row.run_setting_id, row.reason, place);
    }
    return parts;
  }

  _advice({ owner, advice }) {
    return element("p", {}, element("b", { text: "Who can act: " }), `${owner}. `, element("b", { text: "What to do: " }), advice);
  }

  async _log(sample, reason, place) {
    try {
      const answer = await get(`${this.data}/log?${new URLSearchParams({ sample })}`);
      const cause = !reason && answer.state === "ready"
        ? [element("p", {}, element("strong", { text: [answer.failure_code, answer.message].filter(Boolean).join(": ") })), this._advice(answer)] : [];
      place.replaceChildren(...cause, ...this._logParts(answer));
      announce(`Log of ${sample} is shown`);
    } catch (error) {
      const { what, remedy } = problemOf(error);
      place.replaceChildren(element("p", { class: "quiet", text: `The log cannot be shown. ${what} ${remedy}` }));
    }
  }

  _logParts(answer) {
    const quiet = (text) => element("p", { class: "quiet", text });
    if (answer.state === "problem") return [quiet(`${answer.problem.what} What to do: ${answer.problem.remedy}`)];
    if (answer.state === "gone") return [quiet("The run is gone, and its log is not looked for.")];
    if (answer.state === "reading") return [quiet("The results table is being read; open this again in a moment.")];
    if (answer.state !== "ready") return [quiet("There is no run.")];
    const tasks = answer.tasks.flatMap((task) => [
      element("p", {}, element("strong", { text: `Task ${task.name || ""} ${task.task_id}` }), ` ${[task.failure_code, task.message].filter(Boolean).join(": ")}`),
      task.log.length ? element("pre", { tabindex: "0", "aria-label": `Last lines of the log of task ${task.task_id}`, text: task.log.join("\n") }) : quiet(task.note || "Its log is empty."),
    ]);
    if (answer.note) tasks.push(quiet(answer.note));
    if (answer.more_tasks) tasks.push(quiet("More tasks failed; see the run."));
    return tasks.length ? tasks : [quiet(answer.message || "No task of the run failed.")];
  }
}

const USAGE = {
  queued_seconds: "Queued (s)", starting_seconds: "Starting (s)", running_seconds: "Running (s)", task_seconds: "Tasks (s)",
  cpu_hours: "vCPU hours", gib_hours: "GiB hours", gpu_hours: "GPU hours", storage_gib_hours: "Storage GiB hours",
  tasks: "Tasks", attempts: "Attempts", cache_hits: "From cache", runs: "Runs", price_as_of: "Prices of",
};
