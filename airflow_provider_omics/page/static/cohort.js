"use strict";

const place = location.pathname.split("/").slice(-4).join("/");
const root = new URL("../../../../", location.href);
const data = new URL(`data/cohorts/${place}`, root).pathname;
const problems = new Map();
const REFRESH = 10000;
const ORDER = ["completed", "failed", "failed_submissions", "cancelled", "deleted", "unknown", "under_way", "not_submitted"];

let task = null;
let progress = null;
let table = null;
const samples = new Samples(data, problems);

function showTask() {
  const name = task.map_index >= 0 ? `${task.task_id} [${task.map_index}]` : task.task_id;
  document.title = `${name} · HealthOmics cohort`;
  byId("name").textContent = name;
  const base = new URL("../", root).pathname;
  const dag = `${base}dags/${encodeURIComponent(task.dag_id)}`;
  const trail = [[base, "Airflow"], [root.pathname, "HealthOmics cohorts"], [dag, task.dag_id],
    [`${dag}/runs/${encodeURIComponent(task.run_id)}`, task.run_id], [base + task.airflow_path, name]];
  replace("trail", element("ol", {}, ...trail.map(([href, text]) => element("li", {}, element("a", { href, text })))));
  byId("command").textContent = task.clear;
}

function showBadges() {
  const shown = [stateBadge(task.state, "State of the task in Airflow")];
  if (progress?.status) shown.push(stateBadge(progress.status, "Status of the newest batch"));
  if (task.try_number > 1) shown.push(badge(`try ${task.try_number}`, ""));
  replace("badges", ...shown);
}

// The batches tell how far it is; once they have ended, the table tells what each sample came to.
function counts() {
  const live = progress?.counts && progress.state === "active" ? progress.counts : null;
  if (live) return live;
  if (table?.counts) return { ...table.counts, total: table.total };
  return progress?.counts ?? null;
}

function showProgress() {
  const now = counts();
  const total = now?.total || 0;
  const parts = now ? ORDER.map((name) => [name, now[name] || 0]).filter(([, number]) => number) : [];
  replace("bar", ...parts.map(([name, number]) => {
    const part = element("span", { class: `status-${name}`, title: `${STATUSES[name]}: ${count(number)}` });
    part.style.flexGrow = number;
    return part;
  }));
  const ended = total - (now?.under_way || 0) - (now?.not_submitted || 0);
  const percent = total ? Math.floor((100 * ended) / total) : 0;
  const text = now ? `${count(ended)} of ${plural(total, "sample")} have ended (${percent}\u00a0%)` : "Nothing is known of the cohort yet";
  byId("bar").setAttribute("aria-label", [text, ...parts.map(([name, number]) => `${STATUSES[name]} ${count(number)}`)].join(", "));
  replace("legend", ...parts.map(([name, number]) => element("li", {}, legend(name, number))));
  showFacts(now, text);
}

function legend(name, number) {
  const inside = [element("span", { class: `dot status-${name}`, "aria-hidden": "true" }), element("b", { text: count(number) }), ` ${STATUSES[name]}`];
  if (!table?.counts?.[name]) return element("span", {}, ...inside);
  return element("button", { type: "button", title: "Show these samples", onclick: () => only({ status: name, failure_class: "", reason: "" }) }, ...inside);
}

function showFacts(now, text) {
  const facts = [];
  if (now) facts.push(["Ended", text]);
  const runs = Object.entries(progress?.runs || {}).map(([name, number]) => `${count(number)} ${name}`);
  if (runs.length) facts.push(["Runs of the newest batch", runs.join(", ")]);
  if (task?.started) {
    const end = task.is_active ? new Date() : new Date(task.ended);
    facts.push([task.is_active ? "So far" : "The task took", duration((end - new Date(task.started)) / 1000)]);
  }
  if (table?.first_start && table?.last_stop) facts.push(["First start to last end", duration(table.last_stop - table.first_start)]);
  if (table?.cost_usd !== null && table?.cost_usd !== undefined) {
    const of = table.priced_samples < table.total ? ` of ${plural(table.priced_samples, "sample")}` : "";
    facts.push(["Cost", `${table.cost_usd.toLocaleString("en-US", { style: "currency", currency: "USD" })}${of}`]);
  }
  if (task) facts.push(["Connection", task.connection ?? "boto3's own"]);
  facts.push(...places());
  replace("facts", ...facts.map(([label, ...value]) => element("div", {}, element("dt", { text: label }), element("dd", {}, ...value))));
}

// Where else to read on; those of the AWS console only where the connection leads to AWS.
function places() {
  const found = [];
  if (table?.report) {
    const href = `${root.pathname}cohorts/${place}/report`;
    found.push(["Report", element("a", { href, text: "Timelines, durations and use" }), ", as of ", moment(table.report.written)]);
  }
  const { outputs, runs } = progress?.places ?? {};
  if (runs) found.push(["Runs", element("a", { href: runs, target: "_blank", rel: "noreferrer", text: "HealthOmics console" })]);
  if (outputs) found.push(["Outputs", located(outputs)]);
  return found;
}

function advice({ status, reason, owner, advice: text }) {
  if (status === "failed" && !reason) {
    return [element("p", { text: "Why they failed was not looked up (failure_lookup_limit of the task); open one to see why it did." })];
  }
  return [element("p", {}, element("b", { text: "Who can act: " }), owner), element("p", {}, element("b", { text: "What to do: " }), text)];
}

function showFailures() {
  const groups = table?.groups || [];
  byId("failures").hidden = !groups.length;
  replace("groups", ...groups.map((group) => element("li", {},
    element("div", { class: "group-head" },
      element("button", { type: "button", class: "count", title: "Show these samples",
        "aria-label": `${plural(group.count, "sample")}: ${group.reason || STATUSES[group.status] || group.status}`,
        onclick: () => only({ status: group.status, failure_class: group.failure_class, reason: group.reason }) }, plural(group.count, "sample")),
      badge(STATUSES[group.status] || group.status, `status-${group.status}`),
      group.failure_class ? badge(group.failure_class, "") : null,
      group.reason ? element("code", { text: group.reason }) : null,
      group.is_permanent ? badge("no retry mends it", "bad") : null),
    ...advice(group),
    element("p", { class: "quiet", text: `For example ${group.examples.join(", ")}` }))));
  const left = groups.reduce((sum, group) => sum + group.count, 0);
  byId("again").hidden = !left || !task || task.is_active;
  byId("again-text").textContent = `Clearing the task submits the ${plural(left, "sample")} that did not complete again, in a batch of their own; `
    + "what has completed stays as it is, and the results are merged.";
}

function showBatches() {
  const batches = progress?.batches || [];
  replace("batches", ...batches.map((batch) => element("tr", {},
    element("th", { scope: "row" }, element("code", { text: batch.batch_id })),
    element("td", { text: batch.redrive ? `redrive ${batch.redrive}` : "first" }),
    element("td", {}, stateBadge(batch.status, batch.failure_reason)),
    element("td", { class: "number", text: count(batch.counts.total) }),
    element("td", { class: "number", text: count(batch.counts.completed) }),
    element("td", { class: "number", text: count(batch.counts.failed + batch.counts.failed_submissions) }),
    element("td", {}, moment(batch.created)),
    element("td", {}, moment(batch.ended)))));
  const unread = progress?.unread ? `${plural(progress.unread, "older batch")} of the same name were not looked at.` : "";
  byId("batches-state").textContent = progress?.failure_reason || (progress?.state === "gone" ? "The batch's record was deleted." : unread);
}

function only(filters) {
  samples.change({ search: "", ...filters });
  byId("samples").scrollIntoView({ block: "start" });
  byId("samples").focus({ preventScroll: true });
}

async function ask(name, url, take) {
  try {
    const answer = await get(url);
    problems.set(name, answer.problem || null);
    take(answer);
    return true;
  } catch (error) {
    problems.set(name, problemOf(error));
    return false;
  }
}

function show() {
  if (task) { showTask(); showBadges(); }
  showProgress();
  showFailures();
  showBatches();
  showProblems(problems);
}

let lastWritten = null;

async function refreshTable() {
  await ask("table", `${data}/table`, (answer) => { table = answer; });
  if (table?.state === "reading") setTimeout(() => refreshTable().then(show), 400);
  if (table?.counts) samples.offer(table.counts, table.failure_classes);
  if (table?.written && table.written !== lastWritten) {
    if (lastWritten) samples.load();
    lastWritten = table.written;
  }
}

async function refresh() {
  const known = task;
  const asked = [ask("task", data, (answer) => { task = answer; }),
    ask("progress", `${data}/progress`, (answer) => { progress = answer; }), refreshTable()];
  const answered = (await Promise.all(asked))[0];
  show();
  if (answered) byId("refreshed").textContent = `as of ${new Date().toLocaleTimeString()}`;
  if (known?.is_active && task && !task.is_active) {
    announce(`The task has ended: ${task.state}`);
    samples.load();
  }
}

async function follow() {
  // What nobody looks at need not be asked for; nor does what has ended change.
  // What passes by itself, such as a server that does not answer, is asked for again.
  const passing = [...problems.values()].some((problem) => problem && (problem.code === "Busy" || !(problem.code || problem.retry)));
  const goesOn = !task || task.is_active || progress?.state === "active";
  if (!document.hidden && (goesOn || passing)) await refresh();
  if (!document.hidden && passing) samples.load();
  setTimeout(follow, REFRESH);
}

byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    announce("The command was copied");
    byId("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("command"));
    announce("Copying is not allowed here; the command is selected");
  }
  setTimeout(() => { byId("copy").textContent = "Copy"; }, 2000);
});
samples.load();
refresh().then(() => setTimeout(follow, REFRESH));
