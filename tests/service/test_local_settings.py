"""Settings of a running server, and what it does with what it cannot use."""

from __future__ import annotations

import dataclasses
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from enum import StrEnum
from typing import Any, get_type_hints

import pytest
from botocore.exceptions import ClientError
from omics_service import ADMIN_HEADERS, ROLE, await_status

from airflow_provider_omics.local import Assumptions, LocalOmics, Timings

Start = Callable[..., dict[str, Any]]

SWITCHES = [
    (name, choice.value)
    for name, hint in get_type_hints(Assumptions).items()
    if isinstance(hint, type) and issubclass(hint, StrEnum)
    for choice in hint
]


def change(server: LocalOmics, **settings: Any) -> None:
    body = json.dumps(settings).encode()
    request = urllib.request.Request(f"{server.endpoint_url}/_local/settings", body, ADMIN_HEADERS, method="POST")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(("name", "value"), SWITCHES)
def test_every_switch_can_be_set_as_json(server: LocalOmics, name: str, value: str) -> None:
    change(server, assumptions={name: value})
    chosen = getattr(server.assumptions, name)
    assert chosen == value
    assert isinstance(chosen, StrEnum)


@pytest.mark.parametrize(("reading", "runs"), [("first_answer", 1), ("forgotten", 2)])
def test_a_switch_that_was_set_as_json_is_followed(
    server: LocalOmics, omics: Any, start_run: Start, reading: str, runs: int
) -> None:
    change(server, assumptions={"repeated_request_id": reading})
    workflow = start_run(requestId="same")
    again = omics.start_run(
        workflowId=omics.get_run(id=workflow["id"])["workflowId"],
        roleArn=ROLE,
        outputUri="s3://results/runs",
        requestId="same",
    )
    assert len({workflow["id"], again["id"]}) == runs


@pytest.mark.parametrize(
    "settings",
    [
        {"assumptions": {"repeated_request_id": "bogus"}},
        {"assumptions": {"burst_seconds": "1"}},
        {"timings": {"pending": "abc"}},
        {"timings": {"pending": -1}},
        {"timings": {"no_such_timing": 1}},
    ],
    ids=str,
)
def test_a_setting_that_fits_nothing_is_refused_and_changes_nothing(
    server: LocalOmics, start_run: Start, settings: dict[str, Any]
) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        change(server, **settings)
    assert caught.value.code == 400
    assert start_run()["status"] == "PENDING"


def test_settings_from_python_are_checked_alike() -> None:
    with pytest.raises(ValueError, match="pending must be a number"):
        Timings(pending=float("nan"))
    with pytest.raises(ValueError, match="repeated_request_id must be one of"):
        dataclasses.replace(Assumptions(), repeated_request_id="maybe")  # type: ignore[arg-type]


def test_more_room_in_a_run_group_starts_waiting_runs(omics: Any, start_run: Start) -> None:
    group = omics.create_run_group(maxRuns=1)["id"]
    first, second = (start_run(runGroupId=group, tags={"omics-local:seconds": "3600"})["id"] for _ in range(2))
    await_status(lambda: omics.get_run(id=first), "RUNNING")
    assert omics.get_run(id=second)["status"] == "PENDING"
    omics.update_run_group(id=group, maxRuns=2)
    await_status(lambda: omics.get_run(id=second), "RUNNING")


def test_workflows_that_are_deleted_page_by_page_are_all_listed(omics: Any, make_workflow: Callable[..., str]) -> None:
    made = {make_workflow(name=f"w{number}") for number in range(7)}
    listed: set[str] = set()
    token: dict[str, str] = {}
    while True:
        page = omics.list_workflows(type="PRIVATE", maxResults=2, **token)
        for workflow in page["items"]:
            listed.add(workflow["id"])
            omics.delete_workflow(id=workflow["id"])
        if "nextToken" not in page:
            break
        token = {"startingToken": page["nextToken"]}
    assert listed == made


@pytest.mark.parametrize("parameters", [{"half": "\ud800"}, {"x": float("nan")}], ids=["surrogate", "NaN"])
def test_what_could_not_be_written_back_is_refused(omics: Any, start_run: Start, parameters: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        start_run(parameters=parameters)
    assert caught.value.response["Error"]["Code"] == "SerializationException"
    assert omics.list_runs()["items"] == []
