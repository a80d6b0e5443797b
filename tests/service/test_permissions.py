"""Each class works with the IAM actions that the list gives it and, with one less, names that one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

import permission_batch_drives  # noqa: F401 - has drives
import permission_failed_drives  # noqa: F401
import permission_hook_drives  # noqa: F401
import permission_option_drives  # noqa: F401
import permission_run_drives  # noqa: F401
import pytest
from asset_watchers import HAS_ASSET_WATCHERS
from omics_errors import unwrapped
from permission_drives import DRIVES, Drive, PermissionLab
from permission_option_drives import HAS_OPENLINEAGE

from airflow_provider_omics.healthomics.api.errors import message_of
from airflow_provider_omics.jobs import price_source
from airflow_provider_omics.local import LocalOmics, Quotas, Timings
from airflow_provider_omics.permissions import HOOK_METHODS, PERMISSIONS

LISTED = {**PERMISSIONS, **HOOK_METHODS}
#: Features whose lack shows in what stays in S3, or in the number of calls.
SILENT = {"write tests", "large objects", "many waits", "bucket", "output places", "batch state"}
#: What only some Airflows have, or an environment may lack.
NOT_HERE = set() if HAS_ASSET_WATCHERS else {"OmicsRunEventTrigger"}
NOT_INSTALLED = set() if HAS_OPENLINEAGE else {"OpenLineage"}
#: Drives that are deferred with an action less, too.
DEFERRED = {"waits", "failing", "gives-up"}
MODES = {False: "worker", True: "deferred"}


@pytest.fixture(scope="module")
def shared_server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="simulated", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture
def lab(shared_server: LocalOmics, monkeypatch: pytest.MonkeyPatch, quick_retries: None) -> Iterator[PermissionLab]:
    shared_server.reset()
    shared_server.change(quotas=asdict(Quotas.wide()))
    # What is done after a call is done in this test alone.
    monkeypatch.setattr(shared_server.journal, "add", shared_server.journal.add)
    for name, value in shared_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", shared_server.airflow_connection_uri())
    price_source._cache.clear()
    return PermissionLab(shared_server)


def cases() -> Iterable[object]:
    for one in DRIVES:
        for deferrable in (False, True) if one.waits else (False,):
            yield pytest.param(one, deferrable, id=f"{one}-{MODES[deferrable]}")


def lessened() -> Iterable[object]:
    """Each drive with each of its actions missing; deferred where that makes a difference."""
    for one in DRIVES:
        for action in sorted(one.asks):
            is_polled = one.name in DEFERRED and action.startswith(("omics:Get", "omics:Cancel"))
            for deferrable in (False, True) if one.waits and is_polled else (False,):
                yield pytest.param(one, action, deferrable, id=f"{one}-{MODES[deferrable]}-{action}")


def carry_out(lab: PermissionLab, one: Drive, prepared: object, deferrable: bool) -> BaseException | None:
    try:
        one.act(lab, prepared, deferrable)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize(("one", "deferrable"), list(cases()))
def test_it_works_with_what_is_listed_and_asks_for_no_more(lab: PermissionLab, one: Drive, deferrable: bool) -> None:
    prepared = one.prepare(lab)
    with lab.server.allowing(LISTED[one.of].actions(one.features)) as access:
        error = carry_out(lab, one, prepared, deferrable)
        assert (access.denied, set(access.asked)) == ({}, set(one.asks)), error
    if error is not None and (one.ends is None or not isinstance(error, one.ends)):
        raise error
    assert (error is None) == (one.ends is None)


@pytest.mark.parametrize(("one", "action", "deferrable"), list(lessened()))
def test_with_one_action_less_it_names_that_one(
    lab: PermissionLab, one: Drive, action: str, deferrable: bool, told: Callable[[], str]
) -> None:
    prepared = one.prepare(lab)
    told()
    with lab.server.allowing(one.asks - {action}) as access:
        error = carry_out(lab, one, prepared, deferrable)
        assert action in access.denied
    text = unwrapped(message_of(error)) if error is not None else ""
    if one.fails_without(action):
        assert error is not None, "it did not fail"
        assert action in text
        return
    assert error is None if one.ends is None else isinstance(error, one.ends), error
    owners = {feature.option for feature in one.owners(action)}
    if not (owners and owners <= SILENT) and action not in one.goes_on:
        assert action in text + told()


@pytest.mark.parametrize("name", sorted(LISTED.keys() - NOT_HERE))
def test_everything_that_is_listed_is_driven(name: str) -> None:
    listed, own = LISTED[name], [one for one in DRIVES if one.of == name]
    assert own, "there is no drive"
    for feature in listed.features:
        if feature.option not in NOT_INSTALLED:
            asked = {action for one in own if feature.option in one.features for action in one.asks}
            assert asked >= set(feature.actions), feature.option
    assert set(listed.required) <= {action for one in own for action in one.asks} <= listed.every_action
