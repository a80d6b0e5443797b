"""The plan of pruning: what is protected whatever the facts are, and plans that are counted again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.api.calls import Request, run_with
from airflow_provider_omics.healthomics.api.statuses import Phase, RunStatus
from airflow_provider_omics.healthomics.pruning.candidate import Ownership, PruneCandidate
from airflow_provider_omics.healthomics.pruning.criteria import PruneCriteria, criteria_issues
from airflow_provider_omics.healthomics.pruning.plan import Protection, PrunePlan, Verdict
from airflow_provider_omics.healthomics.pruning.reading import RunReader
from airflow_provider_omics.healthomics.requests.identity import FINISHED_TAG, INTENT_TAG, NAMESPACE_TAG

NOW = 1_800_000_000.0
DAY = 86_400.0
TIMES = st.integers(-30, 60).map(lambda days: NOW - days * DAY)
OWNERS = st.builds(
    Ownership,
    is_tagged=st.booleans(),
    namespace=st.sampled_from([None, "", "here", "there"]),
    is_active=st.booleans(),
    is_finished=st.booleans(),
    ended_at=st.none() | TIMES,
    is_complete=st.booleans(),
)
CANDIDATES = st.builds(
    PruneCandidate,
    job_id=st.integers(1, 10**9).map(str),
    phase=st.sampled_from(Phase),
    created_at=st.none() | TIMES,
    ended_at=st.none() | TIMES,
    owner=st.none() | OWNERS,
)
PROTECTIONS = st.builds(
    Protection,
    namespace=st.just("here"),
    protect_for=st.integers(0, 30).map(lambda days: days * DAY),
    include_untagged=st.booleans(),
    include_other_deployments=st.booleans(),
)


@given(CANDIDATES, PROTECTIONS)
def test_what_may_be_needed_is_never_deleted(job: PruneCandidate, protection: Protection) -> None:
    if protection.judge(job, NOW) is not Verdict.DELETE:
        return
    owner = job.owner
    assert owner is not None
    assert not job.is_active
    assert not owner.is_active
    assert owner.is_complete or owner.is_finished
    assert owner.is_tagged or protection.include_untagged
    assert owner.namespace in (None, "here") or protection.include_other_deployments
    ends = [end for end in (job.ended_at, owner.ended_at) if end is not None]
    assert ends
    assert NOW - max(ends) >= min(protection.protect_for, DAY if owner.is_finished else protection.protect_for)


@given(CANDIDATES, PROTECTIONS, st.integers(0, 100))
def test_time_and_wider_settings_never_protect_what_could_go(
    job: PruneCandidate, protection: Protection, days: int
) -> None:
    if protection.judge(job, NOW) is Verdict.DELETE:
        wider = replace(protection, protect_for=0, include_untagged=True, include_other_deployments=True)
        assert protection.judge(job, NOW + days * DAY) is Verdict.DELETE
        assert wider.judge(job, NOW) is Verdict.DELETE


class Account:
    """Answers ListRuns, two a page, and GetRun, as the service does."""

    def __init__(self, runs: list[dict[str, Any]]) -> None:
        self.runs = {run["id"]: run for run in runs}
        self.read: list[str] = []

    def __call__(self, request: Request) -> Mapping[str, Any]:
        members = request.members
        if request.operation == "GetRun":
            self.read.append(members["id"])
            return self.runs[members["id"]]
        if request.operation == "GetBatch":
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetBatch")
        begin = int(members.get("startingToken", 0))
        items = [{name: value for name, value in run.items() if name != "tags"} for run in self.runs.values()]
        more = {"nextToken": str(begin + 2)} if begin + 2 < len(items) else {}
        return {"items": items[begin : begin + 2], **more}


def run_of(number: int, status: RunStatus, age: int, owner: str) -> dict[str, Any]:
    """A run as GetRun shows it."""
    ended = datetime.fromtimestamp(NOW - age * DAY, UTC)
    tags = {
        "finished": {INTENT_TAG: "key", NAMESPACE_TAG: "here", FINISHED_TAG: "1"},
        "unfinished": {INTENT_TAG: "key", NAMESPACE_TAG: "here"},
        "elsewhere": {INTENT_TAG: "key", NAMESPACE_TAG: "there"},
        "release 0.1.0": {INTENT_TAG: "key"},
        "hand-made": {},
    }
    run: dict[str, Any] = {"id": str(1000 + number), "status": status.value, "creationTime": ended, "tags": tags[owner]}
    return {**run, "stopTime": ended} if status in (RunStatus.COMPLETED, RunStatus.FAILED) else run


RUNS = st.lists(
    st.tuples(
        st.sampled_from([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.RUNNING, RunStatus.DELETED]),
        st.integers(0, 20),
        st.sampled_from(["finished", "unfinished", "elsewhere", "release 0.1.0", "hand-made"]),
    ),
    max_size=12,
)


def plan_of(account: Account, most: int = 1000, **criteria: Any) -> PrunePlan:
    reader = RunReader(PruneCriteria(**criteria), Protection("here", 7 * DAY), NOW, lambda *_: None)
    return run_with(account, reader.plan(most))


@given(RUNS, st.integers(1, 12))
def test_a_plan_is_what_a_recount_finds(facts: list[tuple[RunStatus, int, str]], most: int) -> None:
    account = Account([run_of(number, *fact) for number, fact in enumerate(facts)])
    meant = [number for number, (status, age, _) in enumerate(facts) if age >= 3 and status is not RunStatus.DELETED]
    doomed = [
        number
        for number in sorted(meant, key=lambda number: (-facts[number][1], number))
        if facts[number][0] in (RunStatus.COMPLETED, RunStatus.FAILED)
        and (facts[number][2] == "finished" or (facts[number][2] == "unfinished" and facts[number][1] >= 7))
    ]
    plan = plan_of(account, most, older_than=3 * DAY)
    assert [job.job_id for job in plan.deletable] == [str(1000 + number) for number in doomed[:most]]
    assert len(plan.deletable) + sum(plan.protected.values()) + plan.unexamined == len(meant)
    assert len(account.read) == len(set(account.read)) <= len(meant)
    if len(doomed) < most:
        assert plan.unexamined == 0


def test_only_candidates_are_read() -> None:
    account = Account([run_of(number, RunStatus.COMPLETED, number, "finished") for number in range(10)])
    plan_of(account, older_than=8 * DAY)
    assert account.read == ["1009", "1008"]


def test_one_filter_goes_to_the_service() -> None:
    both = PruneCriteria(statuses=frozenset({"FAILED"}), run_group_id="1")
    assert both.listed_by == {"runGroupId": "1"}
    assert PruneCriteria(statuses=frozenset({"FAILED"})).listed_by == {"status": "FAILED"}
    assert PruneCriteria(statuses=frozenset({"FAILED", "COMPLETED"})).listed_by == {}


@pytest.mark.parametrize("given_", [{"older_than": "P1D"}, {"status": ["FAILED"]}, {"tags": {"a": None}}])
def test_one_criterion_is_enough(given_: dict[str, Any]) -> None:
    assert list(criteria_issues(given_, (), ("FAILED",))) == []
    assert list(criteria_issues({}, ["name_pattern"], ())) == []


def test_names_with_commas_and_quotes_stay_one_cell_of_the_plan() -> None:
    account = Account([{**run_of(1, RunStatus.COMPLETED, 9, "finished"), "name": 'a, "b"'}])
    lines = list(plan_of(account, older_than=DAY).csv_lines())
    assert lines[1].startswith('1001,"a, ""b""",COMPLETED,')
    assert all(line.endswith("\n") for line in lines)
