"use strict";

let page = Number(new URLSearchParams(location.search).get("page")) || 1;

function row(task) {
  const name = task.map_index >= 0 ? `${task.task_id} [${task.map_index}]` : task.task_id;
  const path = [task.dag_id, task.run_id, task.task_id].map(encodeURIComponent).join("/");
  const end = task.ended ? new Date(task.ended) : new Date();
  const took = task.started ? (end - new Date(task.started)) / 1000 : null;
  return element("tr", {},
    element("th", { scope: "row" }, element("a", { href: `cohorts/${path}/${task.map_index}`, "aria-label": `${name} of ${task.dag_id}, ${task.run_id}`, text: name })),
    element("td", { text: task.dag_id }),
    element("td", { text: task.run_id }),
    element("td", {}, stateBadge(task.state)),
    element("td", { class: "number", text: task.try_number }),
    element("td", {}, moment(task.started)),
    element("td", { class: "number", text: task.is_active && !task.ended ? `${duration(took)} so far` : duration(took) }));
}

async function load() {
  try {
    const answer = await get(`data/cohorts?page=${page}`);
    replace("list", ...answer.cohorts.map(row));
    const none = page === 1
      ? "No task of OmicsStartRunBatchOperator has begun in a DAG that you may read." : "There are no older ones.";
    byId("state").textContent = answer.cohorts.length ? "" : none;
    byId("previous").hidden = page === 1;
    byId("next").hidden = !answer.more;
    announce(answer.cohorts.length ? plural(answer.cohorts.length, "cohort") : none);
    showProblems(new Map());
  } catch (error) {
    byId("state").textContent = "";
    showProblems(new Map([["list", problemOf(error)]]));
  }
}

function turn(by) {
  page += by;
  history.replaceState(null, "", page === 1 ? "./" : `?page=${page}`);
  load();
}

byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
load();
setInterval(() => { if (!document.hidden && page === 1) load(); }, 30000);
