"""What became of a trial: jobs per intent, jobs left active, and the result, as the server's journal has them."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_records import AirflowRecords
from killing import Watch
from plan import Trial

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus, classify
from airflow_provider_omics.healthomics.requests.s3_uris import split_object_uri
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.journal import RunMade

TASK_ID = "job"
FAILED = "FAILED"
COMPLETED = "COMPLETED"
#: Members of the XCom ``batch_summary`` that 0.1.0 does not push.
NEWER_THAN_0_1_0 = ("batch_id", "outcome")


@dataclass
class Verdict:
    """What became of one trial.

    :ivar duplicates: what was computed more than once, as the story tells it.
    :ivar active: jobs that go on although nobody wants them any more.
    :ivar wrong: what is wrong with the result, other than its content.
    :ivar result: XComs and results table, with names in place of ids, to be compared with those of another trial.
    :ivar kills: how many processes were killed.
    """

    trial: Trial
    state: str
    seconds: float
    kills: int
    duplicates: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    result: Any = None
    story: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether it came to no kill, although there should have been one: it proves nothing."""
        return bool(self.trial.strikes) and not self.kills

    @property
    def is_good(self) -> bool:
        return not (self.duplicates or self.active or self.wrong)

    def line(self) -> str:
        """Return one line that tells it."""
        fine = "nobody killed" if self.is_missed else "ok"
        end = fine if self.is_good else "; ".join([*self.duplicates, *self.active, *self.wrong])
        return f"{self.seconds:5.1f} s, {self.kills} kills, {self.trial}: {end}"


@dataclass(frozen=True)
class Jobs:
    """What one server made for one trial.

    :ivar runs: by intent and sample, oldest first.
    :ivar batches: id, map index, generation, and whether it has ended or is being cancelled; oldest first.
    """

    runs: Mapping[str, Sequence[RunMade]]
    batches: Sequence[tuple[str, str, str, bool]]


def look_at(watch: Watch, server: LocalOmics, records: AirflowRecords, state: str, seconds: float) -> Verdict:
    """Judge a trial whose DAG run has ended."""
    trial = watch.trial
    jobs = jobs_of(trial, server)
    verdict = Verdict(trial, state, seconds, len(watch.kills))
    verdict.duplicates = [*duplicates(trial, jobs)]
    verdict.active = [*active(jobs, server)]
    if state != "success":
        verdict.wrong.append(f"the DAG run is {state}")
    else:
        verdict.result = _result(trial, jobs, server, records)
    verdict.story = _story(watch, server, jobs, records)
    return verdict


def compare(verdicts: Sequence[Verdict]) -> None:
    """Note each result that is not that of the undisturbed trial of the same kind and shape."""
    undisturbed = {
        (verdict.trial.kind, verdict.trial.shape): verdict.result for verdict in verdicts if not verdict.trial.strikes
    }
    for verdict in verdicts:
        expected = undisturbed.get((verdict.trial.kind, verdict.trial.shape))
        if verdict.state == "success" and not _is_same(verdict, expected):
            verdict.wrong.append("the result differs from an undisturbed run's")
            verdict.story += f"\nresult:     {json.dumps(verdict.result)}\nundisturbed: {json.dumps(expected)}"


def _is_same(verdict: Verdict, expected: Any) -> bool:
    if verdict.result == expected:
        return True
    victim = verdict.trial.shared_victim
    if victim is None or not victim.is_upgrade:
        return False
    # A worker that is upgraded last tells what its release does.
    of_old = copy.deepcopy(expected)
    for summary in of_old["xcoms"].get("batch_summary", {}).values():
        for key in NEWER_THAN_0_1_0:
            summary.pop(key, None)
    return bool(verdict.result == of_old)


def jobs_of(trial: Trial, server: LocalOmics) -> Jobs:
    """Read off the server's journal what was made for a trial."""
    batches = []
    for account in server.accounts():
        with account.lock:
            mine = [one for one in account.batches.values() if one.tags.get("airflow-run-id") == trial.name]
            for batch in mine:
                over = classify(BatchStatus, batch.status).is_final or batch.status == BatchStatus.STOPPING
                tags = batch.tags
                batches.append((batch.batch_id, tags["airflow-map-index"], tags["airflow-generation"], over))
    map_index_of = {batch_id: map_index for batch_id, map_index, _, _ in batches}
    runs: dict[str, list[RunMade]] = defaultdict(list)
    for run in server.journal.runs():
        if run.tags.get("airflow-run-id") == trial.name:
            runs[f"run [{run.tags['airflow-map-index']}]"].append(run)
        elif run.batch_id in map_index_of:
            runs[f"sample {run.run_setting_id} [{map_index_of[run.batch_id]}]"].append(run)
    return Jobs(runs, batches)


def duplicates(trial: Trial, jobs: Jobs) -> Iterator[str]:
    """Tell of each intent and sample that had more runs than one, and one more for each that failed."""
    for intent, runs in jobs.runs.items():
        needed = 1 + sum(run.status == FAILED for run in runs[:-1])
        if len(runs) > needed:
            told = ", ".join(f"{run.run_id} {run.status}" for run in runs)
            yield f"{len(runs)} runs for {intent}: {told}"
    most = 2 if trial.shape == "flaky" else 1
    for map_index, count in Counter(map_index for _, map_index, _, _ in jobs.batches).items():
        if count > most:
            yield f"{count} batches for [{map_index}]"


def active(jobs: Jobs, server: LocalOmics) -> Iterator[str]:
    """Tell of each job that goes on and is not being cancelled."""
    cancelling = {
        run.run_id for account in server.accounts() for run in list(account.runs.values()) if run.cancel_requested
    }
    for intent, runs in jobs.runs.items():
        for run in runs:
            phase = classify(RunStatus, run.status)
            if not phase.is_final and run.run_id not in cancelling:
                yield f"{intent}: {run.run_id} is still {run.status}"
    yield from (f"batch {batch_id} goes on" for batch_id, _, _, over in jobs.batches if not over)


def _result(trial: Trial, jobs: Jobs, server: LocalOmics, records: AirflowRecords) -> Any:
    # Airflow writes the links when the end of the task has been told already; here they lead nowhere.
    keys = sorted(key for key in records.xcom_keys(trial.dag_id, trial.name, TASK_ID) if not key.startswith("_link_"))
    pushed = {key: records.xcoms(trial.dag_id, trial.name, TASK_ID, key) for key in keys}
    tables = {}
    for map_index, uri in pushed.get("results_uri", {}).items():
        bucket, key = split_object_uri(uri, operation="GetObject")
        content = server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        tables[map_index] = list(csv.DictReader(io.StringIO(content)))
    return json.loads(_without_ids(trial, jobs, json.dumps({"xcoms": pushed, "tables": tables})))


def _without_ids(trial: Trial, jobs: Jobs, text: str) -> str:
    """Put names in place of ids, so that only a run that completed for its sample is called so."""
    names = {}
    for intent, runs in jobs.runs.items():
        for run in runs:
            what = f"{'the' if run.status == COMPLETED else f'a {run.status}'} run of {intent}"
            names[run.run_id], names[run.uuid] = f"<{what}>", f"<uuid of {what}>"
    for batch_id, map_index, generation, _ in jobs.batches:
        names[batch_id] = f"<batch {generation} of [{map_index}]>"
    for one, name in names.items():
        text = re.sub(rf"(?<![0-9a-f]){re.escape(one)}(?![0-9a-f])", name, text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<uuid>", text)
    text = re.sub(r"-[0-9a-f]{8}/results", "-<intent>/results", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)", "<time>", text)
    return text.replace(trial.name, "<trial>").replace(trial.mode, "<mode>")


def _story(watch: Watch, server: LocalOmics, jobs: Jobs, records: AirflowRecords) -> str:
    trial = watch.trial
    lines = [str(trial), *(f"  {kill}" for kill in watch.kills)]
    for intent, runs in jobs.runs.items():
        for run in runs:
            generation = run.tags.get("airflow-generation", "-")
            lines.append(f"  made {run.run_id} for {intent}, generation {generation}, {run.status}, {run.request_id}")
    lines += [f"  made batch {one} for [{index}], generation {gen}" for one, index, gen, _ in jobs.batches]
    lines += [f"  task instances: {records.task_instances(trial.dag_id, trial.name)}"]
    for number, facts in enumerate(watch.calls, start=1):
        call = facts.call
        effect = " took effect" if call.took_effect else ""
        fault = f" fault {call.fault}" if call.fault else ""
        port = facts.peer[1]
        what = f"{call.operation} {call.resource_id or ''}"
        lines.append(
            f"  {number:3} {call.time:%H:%M:%S.%f} :{port} {what} {call.status} {call.error or ''}{effect}{fault}"
        )
    return "\n".join(lines)


def task_log(watch: Watch, records: AirflowRecords) -> str:
    """Return what the task of a trial logged, over all of its tries."""
    trial = watch.trial
    indexes = sorted({one.map_index for one in records.task_instances(trial.dag_id, trial.name)})
    return "\n".join(records.task_log(trial.dag_id, trial.name, TASK_ID, index) for index in indexes)
