from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from run_lab import Lab

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local.assumptions import Assumptions, RepeatedRequestId
from airflow_provider_omics.local.errors import ConflictException
from airflow_provider_omics.local.runs.machine import create_run, delete_run

MakeLab = Callable[..., Lab]
REQUEST = {"requestId": "same", "workflowId": "1", "parameters": {"x": 1}}
ANSWER = {"id": "7", "uuid": "u"}


def again(lab: Lab, request: dict[str, Any] = REQUEST, operation: str = "StartRun") -> dict[str, Any] | None:
    return lab.state.request_ids.first_answer(operation, request)


def test_a_repeated_request_gets_the_first_answer(lab: Lab) -> None:
    assert again(lab) is None
    lab.state.request_ids.remember("StartRun", REQUEST, ANSWER)
    assert again(lab) == ANSWER
    assert again(lab, operation="StartRunBatch") is None
    assert again(lab, {**REQUEST, "requestId": "other"}) is None


@pytest.mark.parametrize("same_payload", [True, False])
@pytest.mark.parametrize("reading", list(RepeatedRequestId))
def test_every_reading_of_a_repetition(make_lab: MakeLab, same_payload: bool, reading: RepeatedRequestId) -> None:
    other = RepeatedRequestId.FORGOTTEN if reading is not RepeatedRequestId.FORGOTTEN else RepeatedRequestId.CONFLICT
    lab = make_lab(
        Assumptions(
            repeated_request_id=reading if same_payload else other,
            repeated_request_id_other_payload=other if same_payload else reading,
        )
    )
    lab.state.request_ids.remember("StartRun", REQUEST, ANSWER)
    request = REQUEST if same_payload else {**REQUEST, "parameters": {"x": 2}}
    if reading is RepeatedRequestId.CONFLICT:
        with pytest.raises(ConflictException, match="same"):
            again(lab, request)
    else:
        assert again(lab, request) == (ANSWER if reading is RepeatedRequestId.FIRST_ANSWER else None)


def test_a_request_id_can_be_forgotten_after_a_while(make_lab: MakeLab) -> None:
    lab = make_lab(Assumptions(request_id_memory_seconds=60))
    lab.state.request_ids.remember("StartRun", REQUEST, ANSWER)
    lab.advance(59)
    assert again(lab) == ANSWER
    lab.advance(1)
    assert again(lab) is None


@pytest.mark.parametrize("free", [True, False])
def test_a_deleted_run_frees_its_request_id_if_assumed(make_lab: MakeLab, free: bool) -> None:
    lab = make_lab(Assumptions(request_id_free_after_deletion=free, run_id_reuse=True))
    run = create_run(lab.state, lab.request())
    answer = {"id": run.run_id, "uuid": run.uuid}
    lab.state.request_ids.remember("StartRun", REQUEST, answer)
    assert again(lab) == answer
    lab.advance(3)
    lab.report(run).completed()
    lab.advance(3)
    assert run.status is RunStatus.COMPLETED
    delete_run(lab.state, run)
    # Another run that got the same id is not the run that the request id started.
    assert create_run(lab.state, lab.request()).run_id == run.run_id
    assert again(lab) == (None if free else answer)
