"""Which settings of all runs count as changed between two batches, as GetBatch shows the earlier one."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_omics.healthomics.api.failures import advise
from airflow_provider_omics.healthomics.results.redrive import Redrive, changed_defaults, note_left_out
from airflow_provider_omics.healthomics.results.table import MAX_MESSAGE, ResultsTable, SampleResult

SENT: dict[str, Any] = {"workflowId": "1", "roleArn": "arn:a", "runTags": {"a": "b"}, "priority": 3}


@pytest.mark.parametrize(
    ("shown", "now", "changed"),
    [
        (SENT, SENT, set()),
        # The service may fill in what was not sent.
        ({**SENT, "logLevel": "ALL", "retentionMode": "RETAIN", "requesterPaysEnabled": False}, SENT, set()),
        (SENT, {**SENT, "requesterPaysEnabled": False, "priority": 3}, set()),
        (SENT, {**SENT, "requesterPaysEnabled": True}, {"requesterPaysEnabled"}),
        (SENT, {**SENT, "roleArn": "arn:b"}, {"roleArn"}),
        (SENT, {"workflowId": "1", "roleArn": "arn:a", "priority": 3}, {"runTags"}),
        ({**SENT, "runGroupId": "9", "sessionPolicy": "{}"}, SENT, {"runGroupId", "sessionPolicy"}),
        # Nothing is known of a batch that is gone, or of a service that does not show it.
        ({}, SENT, set()),
    ],
)
def test_what_has_changed_in_the_defaults(shown: dict[str, Any], now: dict[str, Any], changed: set[str]) -> None:
    assert changed_defaults(shown, now) == changed


def failed(sample: str, message: str | None) -> SampleResult:
    code = "INPUT_URI_NOT_FOUND"
    return SampleResult(
        sample, None, "77", "1", run_status="FAILED", failure_code=code, failure_message=message, advice=advise(code)
    )


def test_what_to_do_is_told_however_long_the_message_is() -> None:
    table = ResultsTable([("a", None), ("b", None), ("c", None)])
    table.replace(failed("a", "x" * MAX_MESSAGE))
    table.replace(failed("b", None))
    note_left_out(table)
    first, second, third = table.rows()
    advice = advise("INPUT_URI_NOT_FOUND").advice
    assert first.failure_message is not None
    assert len(first.failure_message) <= MAX_MESSAGE
    assert first.failure_message.startswith("xxxx")
    assert first.failure_message.endswith(f"A retry does not run it again: {advice}")
    assert second.failure_message == f"A retry does not run it again: {advice}"
    assert third.failure_message is None


def test_the_log_names_a_few_samples_of_many() -> None:
    told = Redrive(frozenset(), tuple(failed(f"s-{n}", None) for n in range(1_007))).describe()
    assert "(INPUT_URI_NOT_FOUND: 1,007): 's-0', 's-1', 's-2', 's-3', 's-4' and 1,002 more. Correct their rows" in told
