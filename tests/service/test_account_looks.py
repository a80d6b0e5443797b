"""Run groups, run caches and configurations that the service shows late, or no more: how long they are looked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from account_resources import (
    KINDS,
    create,
    creator,
    delete,
    kept,
    made,
    operator,
)
from omics_errors import raises
from task_runs import TaskInstance, run_task

from airflow_provider_omics.account.kinds import CONFIGURATION, RUN_CACHE, RUN_GROUP, ResourceKind
from airflow_provider_omics.exceptions import (
    OmicsError,
    OmicsServiceError,
)
from airflow_provider_omics.local import Assumptions, LocalOmics
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.assumptions import RepeatedRequestId
from airflow_provider_omics.local.faults import FaultKind, FaultRule


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures, which has a bucket for caches."""
    omics_local.client("s3").create_bucket(Bucket="caches")
    return omics_local


@KINDS
def test_what_was_deleted_is_made_anew(
    server: LocalOmics, account: AccountState, kind: ResourceKind, impatience: None
) -> None:
    first = create(kind)
    assert delete(kind, first.result).result == first.result
    assert delete(kind, first.result).result == first.result
    again = create(kind)
    assert again.ti.xcoms["resource_is_new"] is True
    assert [one.arn for one in made(account, kind) if getattr(one, "status", "ACTIVE") == "ACTIVE"] == [
        again.ti.xcoms["resource_arn"]
    ]


@KINDS
def test_a_later_try_looks_again_for_what_it_may_have_made(
    server: LocalOmics, account: AccountState, kind: ResourceKind, impatience: None
) -> None:
    account.assumptions = Assumptions(repeated_request_id=RepeatedRequestId.FORGOTTEN)
    first = create(kind).result
    store = kept(account, kind)
    hidden = dict(store)
    store.clear()

    def show(_: float) -> bool:
        store.update(hidden)
        return False

    again = replace(creator(kind), pause=show, is_retry=True).get_or_create()
    assert (again.resource.identifier, again.is_new) == (first, False)
    store.clear()
    operation = "GetConfiguration" if kind is CONFIGURATION else f"List{kind.suffix}s"
    looks = server.journal.counts[operation]

    def show_later(_: object) -> bool:
        # It is not there at the first look.
        if server.journal.counts[operation] > looks:
            store.update(hidden)
        return False

    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation=operation, matches=show_later))
    later = run_task(operator(kind), TaskInstance(task_id="create", try_number=2))
    assert (later.result, later.ti.xcoms["resource_is_new"]) == (first, False)
    assert server.journal.counts[kind.operation("Create")] == 1


def test_a_later_try_that_is_killed_makes_nothing(server: LocalOmics, account: AccountState) -> None:
    with raises(OmicsError, match="The task was killed before it made run cache 'nightly'; nothing was sent"):
        replace(creator(RUN_CACHE), pause=lambda _: True, is_retry=True).get_or_create()
    assert made(account, RUN_CACHE) == []


@pytest.mark.parametrize("kind", [RUN_GROUP, RUN_CACHE], ids=lambda kind: kind.suffix)
@pytest.mark.parametrize("takes_oldest", [False, True])
def test_all_looks_of_a_later_try_share_a_minute(
    server: LocalOmics, account: AccountState, kind: ResourceKind, takes_oldest: bool
) -> None:
    account.assumptions = Assumptions(repeated_request_id=RepeatedRequestId.FORGOTTEN)
    first, pauses = create(kind).result, list[float]()
    gone = {"code": "ResourceNotFoundException", "http_status": 404, "count": None}
    server.faults.add(
        FaultRule(
            kind=FaultKind.ERROR_BEFORE,
            operation=kind.operation("Get"),
            matches=lambda facts: facts.members["id"] == first,
            **gone,  # type: ignore[arg-type]
        )
    )
    again = replace(creator(kind), pause=pauses.append, takes_oldest=takes_oldest, is_retry=True).get_or_create()
    assert (again.resource.identifier != first, again.is_new) == (True, True)
    assert sum(pauses) == 60


@pytest.mark.parametrize("kind", [RUN_GROUP, RUN_CACHE], ids=lambda kind: kind.suffix)
def test_what_is_listed_and_not_shown_is_waited_for_and_then_gone(
    server: LocalOmics, account: AccountState, kind: ResourceKind, impatience: None
) -> None:
    account.assumptions = Assumptions(repeated_request_id=RepeatedRequestId.FORGOTTEN)
    first = create(kind).result
    hidden: dict[str, Any] = {
        "kind": FaultKind.ERROR_BEFORE,
        "operation": kind.operation("Get"),
        "code": "ResourceNotFoundException",
        "http_status": 404,
        "matches": lambda facts: facts.members["id"] == first,
    }
    server.faults.add(FaultRule(**hidden))
    assert create(kind).result == first
    server.faults.add(FaultRule(**hidden, count=None))
    assert create(kind).result != first


def test_a_task_killed_while_it_waits_for_a_name_makes_none(server: LocalOmics, account: AccountState) -> None:
    create(CONFIGURATION)
    account.configurations["nightly"].status = "DELETING"
    with raises(OmicsError, match="The task was killed before it made configuration 'nightly'; nothing was sent"):
        replace(creator(CONFIGURATION), pause=lambda _: True).get_or_create()
    assert server.journal.counts["CreateConfiguration"] == 1


def test_who_is_killed_behind_a_conflict_makes_no_other_one(server: LocalOmics, account: AccountState) -> None:
    account.assumptions = Assumptions(repeated_request_id=RepeatedRequestId.CONFLICT)
    delete(RUN_CACHE, create(RUN_CACHE).result)
    # Not killed yet when it asks for one.
    killed = replace(creator(RUN_CACHE), pause=lambda seconds: seconds > 0)
    with raises(OmicsServiceError, match="ConflictException"):
        killed.get_or_create()
    assert made(account, RUN_CACHE) == []


def test_one_that_is_being_deleted_is_waited_out(server: LocalOmics, account: AccountState, impatience: None) -> None:
    create(CONFIGURATION)
    account.configurations["nightly"].status = "DELETING"
    assert delete(CONFIGURATION, "nightly").result == "nightly"
    with raises(OmicsError, match="is still being deleted. Try again"):
        create(CONFIGURATION)
