"""What the server remembers of request ids, which make a repeated call start nothing twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.local.assumptions import Assumptions, RepeatedRequestId
from airflow_provider_omics.local.errors import ConflictException

if TYPE_CHECKING:
    from airflow_provider_omics.local.records import Batch, Run


@dataclass(frozen=True, slots=True)
class _First:
    fingerprint: bytes
    answer: dict[str, Any]
    time: datetime


class RequestIds:
    """Answers of the calls that carried a request id, by operation and id.

    :param now: returns the server's time.
    :param runs: the runs that exist, by id.
    :param batches: the batches that exist, by id.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        assumptions: Callable[[], Assumptions],
        runs: Mapping[str, Run],
        batches: Mapping[str, Batch],
    ) -> None:
        self._now = now
        self._assumptions = assumptions
        self._runs = runs
        self._batches = batches
        self._firsts: dict[tuple[str, str], _First] = {}

    def first_answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the first call with the same request id got; None when this call is to be carried out.

        :raises ConflictException: the request id was used before, and the assumptions refuse that.
        """
        first = self._firsts.get((operation, request.get("requestId", "")))
        if first is None or self._is_free_again(operation, first):
            return None
        assumptions = self._assumptions()
        same = first.fingerprint == _fingerprint(request)
        reading = assumptions.repeated_request_id if same else assumptions.repeated_request_id_other_payload
        if reading is RepeatedRequestId.FORGOTTEN:
            return None
        if reading is RepeatedRequestId.FIRST_ANSWER:
            return first.answer
        what = "the same request" if same else "other parameters"
        raise ConflictException(
            f"requestId {request['requestId']} was used before with {what}; it made "
            f"{first.answer.get('id') or first.answer.get('arn')}"
        )

    def remember(self, operation: str, request: Mapping[str, Any], answer: dict[str, Any]) -> None:
        """Note what a call with a request id was answered."""
        if "requestId" in request:
            first = _First(_fingerprint(request), answer, self._now())
            self._firsts[operation, request["requestId"]] = first

    def _is_free_again(self, operation: str, first: _First) -> bool:
        assumptions = self._assumptions()
        try:
            expires = first.time + timedelta(seconds=assumptions.request_id_memory_seconds)
        except OverflowError:
            expires = None
        if expires is not None and self._now() >= expires:
            return True
        resource_id = first.answer.get("id", "")
        if operation == "StartRunBatch" and assumptions.request_id_free_after_failed_batch:
            batch = self._batches.get(resource_id)
            return batch is not None and batch.status is BatchStatus.FAILED
        if operation == "StartRun" and assumptions.request_id_free_after_deletion:
            run = self._runs.get(resource_id)
            return run is None or run.uuid != first.answer.get("uuid")
        return False


def _fingerprint(request: Mapping[str, Any]) -> bytes:
    payload = {name: value for name, value in request.items() if name != "requestId"}
    return hashlib.sha256(json.dumps(payload, sort_keys=True, default=repr).encode()).digest()
