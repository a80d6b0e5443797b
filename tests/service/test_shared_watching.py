"""Triggers that share a watcher, with real clients over HTTP against the local server."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger
from batch_states import Batches, ending, samples
from holding import HELD, HELD_RUN, Holding
from pytest_mock import MockerFixture

from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.triggers.batch import OmicsBatchRunTrigger, OmicsBatchTrigger
from airflow_provider_omics.triggers.run import OmicsRunTrigger
from airflow_provider_omics.triggers.watchers import watcher_pool

SLOW = {"omics-local:seconds": "3600"}
SOON = {"omics-local:seconds": "1.5"}
DENIED = {"code": "AccessDeniedException", "http_status": 403, "count": None}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def start(start_run: Callable[..., dict[str, Any]], server: LocalOmics) -> Callable[..., list[str]]:
    """Start runs, and forget in the journal that it was done."""

    def start_many(count: int, **tags: str) -> list[str]:
        ids = [start_run(tags=tags)["id"] for _ in range(count)]
        server.journal.clear()
        return ids

    return start_many


@pytest.fixture
def held(server: LocalOmics) -> Holding:
    return Holding(server)


@pytest.fixture
def batches(server: LocalOmics, make_workflow: Callable[..., str]) -> Batches:
    return Batches(server, make_workflow())


async def event_of(trigger: BaseTrigger) -> dict[str, Any]:
    """Run a trigger to its end, and return the only event that it fires."""
    events = [json.loads(json.dumps(event.payload)) async for event in trigger.run()]
    [event] = events
    return dict(event)


def run_trigger(run_id: str, **kwargs: Any) -> OmicsRunTrigger:
    return OmicsRunTrigger(run_id=run_id, **{"waiter_delay": 0.5, **kwargs})


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(600):
        while not reached():
            await asyncio.sleep(0.01)


def calls(server: LocalOmics) -> Counter[str]:
    return Counter(call.operation for call in server.journal.calls())


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Assert that what is done inside leaves no watcher, no task, and no session or connection open."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        before = asyncio.all_tasks()
        yield
        assert watcher_pool.in_use() == 0
        await until(lambda: asyncio.all_tasks() <= before)
        gc.collect()
        await asyncio.sleep(0)
    assert [str(warning.message) for warning in told if issubclass(warning.category, ResourceWarning)] == []


def run(work: Callable[[], Coroutine[Any, Any, None]], caplog: pytest.LogCaptureFixture) -> None:
    """Run a test's coroutine on a loop of its own, and assert that it leaves nothing behind."""

    async def checked() -> None:
        async with nothing_left():
            await work()

    # What other tests have left is told of now.
    gc.collect()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        asyncio.run(checked())
        gc.collect()
    assert "Unclosed" not in caplog.text
    assert [text for warning in told if "nclosed" in (text := str(warning.message))] == []


class Clients:
    """The clients that hooks made."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.made: list[Any] = []
        make = OmicsHook.open_watching_client

        async def make_and_note(hook: OmicsHook) -> Any:
            opened = await make(hook)
            self.made.append(opened.client)
            return opened

        mocker.patch.object(OmicsHook, "open_watching_client", make_and_note)


@pytest.fixture
def clients(mocker: MockerFixture) -> Clients:
    return Clients(mocker)


def test_many_waiters_share_a_client_and_cost_few_calls(
    server: LocalOmics, start: Any, held: Holding, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    ids = start(120, **HELD_RUN)
    # Twice all five pages: a list for each active status, and two pages of what is RUNNING.
    held.release_after("ListRuns", 10)

    async def work() -> None:
        events = await asyncio.gather(*(event_of(run_trigger(run_id)) for run_id in ids))
        assert [event["run"]["run_id"] for event in events] == ids
        assert {(event["status"], event["run"]["status"]) for event in events} == {("success", "COMPLETED")}

    run(work, caplog)
    assert len(clients.made) == 1
    counted = calls(server)
    assert counted["GetRun"] + counted["ListRuns"] <= len(ids)
    assert set(counted) <= {"GetRun", "ListRuns"}


def test_runs_that_no_list_shows_go_on_until_they_are_asked_for(
    server: LocalOmics, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ids = start(12, **SLOW)
    server.change(assumptions={"list_runs_lag_seconds": 3600.0})

    async def work() -> None:
        waits = [asyncio.create_task(event_of(run_trigger(run_id))) for run_id in ids]
        await until(lambda: calls(server)["GetRun"] >= 24)
        assert not any(wait.done() for wait in waits)
        for run_id in ids:
            server.client("omics").cancel_run(id=run_id)
        events = await asyncio.gather(*waits)
        assert {event["run"]["status"] for event in events} == {"CANCELLED"}

    run(work, caplog)


def test_lists_that_lag_delay_an_end_and_lose_none(
    server: LocalOmics, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.change(assumptions={"run_status_lag_in_list_seconds": 1.0})
    ids = start(30)

    async def work() -> None:
        events = await asyncio.gather(*(event_of(run_trigger(run_id)) for run_id in ids))
        assert {event["run"]["status"] for event in events} == {"COMPLETED"}

    run(work, caplog)


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": FaultKind.THROTTLE},
        {"kind": FaultKind.ERROR_BEFORE},
        {"kind": FaultKind.ERROR_BEFORE, "code": "ServiceUnavailable", "http_status": 503},
        {"kind": FaultKind.DROPPED_CONNECTION},
        {"kind": FaultKind.LOST_ANSWER},
    ],
    ids=lambda fault: str(fault.get("code", fault["kind"])),
)
def test_what_passes_ends_no_wait(
    server: LocalOmics, start: Any, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    ids = start(12)
    server.faults.add(FaultRule(**fault, count=6, share=0.4))

    async def work() -> None:
        events = await asyncio.gather(*(event_of(run_trigger(run_id)) for run_id in ids))
        assert [event["run"]["run_id"] for event in events] == ids
        assert {event["status"] for event in events} == {"success"}

    run(work, caplog)
    assert any(call.fault for call in server.journal.calls())


@pytest.mark.parametrize("count", [2, 12], ids=["few", "many"])
def test_one_waiters_error_is_its_own(
    server: LocalOmics, start: Any, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    ids = start(count, **SOON)
    denied = ids[1]
    # What no list shows has to be asked for.
    omics = server.client("omics")
    omics.cancel_run(id=denied)
    while omics.get_run(id=denied)["status"] != "CANCELLED":
        time.sleep(0.05)
    omics.delete_run(id=denied)
    rule = FaultRule(
        kind=FaultKind.ERROR_BEFORE,
        operation="GetRun",
        matches=lambda facts: facts.members["id"] == denied,
        **DENIED,
    )
    server.faults.add(rule)

    async def work() -> None:
        events = await asyncio.gather(*(event_of(run_trigger(run_id, error_budget=0)) for run_id in [*ids, "9999999"]))
        by_id = {event["run"]["run_id"]: event for event in events}
        assert (by_id["9999999"]["why"], by_id["9999999"]["error_code"]) == ("error", "ResourceNotFoundException")
        assert (by_id[denied]["why"], by_id[denied]["error_code"]) == ("error", "AccessDeniedException")
        others = [by_id[run_id]["run"]["status"] for run_id in ids if run_id != denied]
        assert others == ["COMPLETED"] * (count - 1)

    run(work, caplog)


def test_cancelling_one_leaves_the_others(
    server: LocalOmics, start: Any, held: Holding, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    ids = start(6, **HELD_RUN)

    async def work() -> None:
        waits = [asyncio.create_task(event_of(run_trigger(run_id))) for run_id in ids]
        await until(lambda: len(server.journal.calls()) > 0)
        waits[0].cancel()
        held.release()
        ends = await asyncio.gather(*waits, return_exceptions=True)
        assert isinstance(ends[0], asyncio.CancelledError)
        assert all(isinstance(end, dict) and end["status"] == "success" for end in ends[1:])

    run(work, caplog)
    assert len(clients.made) == 1


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 40, 400])
def test_waiters_can_be_cancelled_at_any_point(start: Any, caplog: pytest.LogCaptureFixture, steps: int) -> None:
    ids = start(3, **SLOW)

    async def work() -> None:
        waits = [asyncio.create_task(event_of(run_trigger(run_id))) for run_id in ids]
        for _ in range(steps):
            # Twelve first steps of the loop, then some in the middle of the first call and after it.
            await asyncio.sleep(0 if steps < 12 else 0.002)
        for wait in waits:
            wait.cancel()
        await asyncio.sleep(0)
        for wait in waits:
            wait.cancel()
        ends = await asyncio.gather(*waits, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)

    run(work, caplog)


def test_the_end_of_the_event_loop_closes_everything(
    server: LocalOmics, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ids = start(3, **SLOW)
    left: list[asyncio.Task[Any]] = []

    async def work() -> None:
        left.extend(asyncio.create_task(event_of(run_trigger(run_id))) for run_id in ids)
        await until(lambda: calls(server)["GetRun"] >= 3)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        asyncio.run(work())
        gc.collect()
    assert "Unclosed" not in caplog.text
    assert [str(warning.message) for warning in told if "nclosed" in str(warning.message)] == []
    assert all(waiting.cancelled() for waiting in left)


def test_the_last_one_closes_the_client(
    start: Any, held: Holding, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    quick, slow = start(1), start(1, **HELD_RUN)

    async def work() -> None:
        waits = [asyncio.create_task(event_of(run_trigger(run_id))) for run_id in quick + slow]
        await waits[0]
        [client] = clients.made
        sessions = client._endpoint.http_session._sessions
        [session] = sessions.values()
        assert not session.closed
        held.release()
        await waits[1]
        assert session.closed
        assert session.connector is None or session.connector.closed

    run(work, caplog)


def test_a_client_is_made_again_for_those_who_come_after_the_last_has_left(
    start: Any, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    ids = start(2)

    async def work() -> None:
        for run_id in ids:
            assert (await event_of(run_trigger(run_id)))["status"] == "success"

    run(work, caplog)
    assert len(clients.made) == 2


def test_event_loops_share_nothing(start: Any, clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    ids = start(4, **SOON)
    ends: dict[str, dict[str, Any]] = {}

    def one_loop(run_ids: list[str]) -> None:
        async def work() -> None:
            events = await asyncio.gather(*(event_of(run_trigger(run_id)) for run_id in run_ids))
            assert watcher_pool.in_use() == 0
            ends.update(zip(run_ids, events, strict=True))

        asyncio.run(work())

    threads = [threading.Thread(target=one_loop, args=(part,)) for part in (ids[:2], ids[2:])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {run_id: end["status"] for run_id, end in ends.items()} == dict.fromkeys(ids, "success")
    assert len(clients.made) == 2
    assert "Unclosed" not in caplog.text


def test_connections_share_no_credentials(
    server: LocalOmics, start: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ids = start(2, **SLOW)
    for name in ("first", "second"):
        connection = {
            "conn_type": "aws",
            "login": f"key-of-{name}",
            "password": "secret",
            "extra": server.connection_extra(),
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
    seen: set[tuple[str, str]] = set()

    def note(facts: Any) -> bool:
        seen.add((facts.members["id"], facts.access_key))
        return False

    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="GetRun", matches=note))

    async def work() -> None:
        triggers = [run_trigger(ids[0], aws_conn_id="first"), run_trigger(ids[1], aws_conn_id="second")]
        waits = [asyncio.create_task(event_of(trigger)) for trigger in triggers]
        await until(lambda: len(seen) == 2)
        assert watcher_pool.in_use() == 2
        for run_id in ids:
            await asyncio.to_thread(server.client("omics").cancel_run, id=run_id)
        await asyncio.gather(*waits)

    run(work, caplog)
    assert seen == {(ids[0], "key-of-first"), (ids[1], "key-of-second")}


@pytest.mark.parametrize(
    "other",
    [
        {"aws_conn_id": None},
        {"region_name": "us-east-1"},
        {"verify": False},
        {"botocore_config": {"read_timeout": 7}},
    ],
    ids=lambda other: str(*other),
)
def test_whoever_connects_otherwise_gets_a_watcher_of_his_own(server: LocalOmics, other: dict[str, Any]) -> None:
    async def work() -> None:
        async with (
            watcher_pool.watcher(ConnectionParameters()) as mine,
            watcher_pool.watcher(ConnectionParameters()) as same,
            watcher_pool.watcher(ConnectionParameters(**other)) as another,
        ):
            assert mine is same
            assert mine is not another

    asyncio.run(work())


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
def test_refused_credentials_are_looked_up_again_for_all(
    server: LocalOmics, start: Any, clients: Clients, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    ids = start(8, **SOON)
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, code=code, http_status=403, skip=3))

    async def work() -> None:
        with caplog.at_level(logging.WARNING):
            events = await asyncio.gather(*(event_of(run_trigger(run_id)) for run_id in ids))
        assert {event["status"] for event in events} == {"success"}
        assert "Still waiting" not in caplog.text

    run(work, caplog)
    assert len(clients.made) == 2


def test_keys_that_stay_wrong_end_the_wait_and_are_not_tried_for_ever(
    server: LocalOmics, start: Any, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    ids = start(3, **SLOW)
    code = {"code": "UnrecognizedClientException", "http_status": 403, "count": None}
    server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, **code))

    async def work() -> None:
        events = await asyncio.gather(*(event_of(run_trigger(run_id)) for run_id in ids))
        assert {(event["why"], event["error_code"]) for event in events} == {("error", "UnrecognizedClientException")}
        assert all("Check the access key" in event["message"] for event in events)

    run(work, caplog)
    assert len(clients.made) <= 2


@pytest.mark.usefixtures("quick_retries")
def test_a_client_that_cannot_be_made_now_is_tried_again(
    start: Any, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    ids = start(5)
    make, failures = OmicsHook.make_async_client, [ConnectionError("STS is away")] * 4

    async def make_later(hook: OmicsHook) -> Any:
        if failures:
            raise failures.pop()
        return await make(hook)

    mocker.patch.object(OmicsHook, "make_async_client", make_later)
    # A client that could not be made is not made again for ten seconds, whoever waits.
    mocker.patch("airflow_provider_omics.healthomics.watcher.client._BETWEEN_CLIENTS", 0.05)

    async def work() -> None:
        events = await asyncio.gather(*(event_of(run_trigger(run_id)) for run_id in ids))
        assert {event["status"] for event in events} == {"success"}

    run(work, caplog)
    assert failures == []


def test_the_client_is_made_outside_of_the_event_loop(
    start: Any, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    from aiobotocore.client import AioClientCreator
    from airflow.providers.amazon.aws.hooks.base_aws import SessionFactory

    ids = start(1)
    loops: dict[str, set[int]] = {"here": set()}

    def note(owner: Any, name: str) -> None:
        original = getattr(owner, name)
        seen = loops.setdefault(name, set())

        def noting(*args: Any, **kwargs: Any) -> Any:
            seen.add(threading.get_ident())
            return original(*args, **kwargs)

        mocker.patch.object(owner, name, noting)

    note(SessionFactory, "create_session")
    note(AioClientCreator, "create_client")

    async def work() -> None:
        loops["here"].add(threading.get_ident())
        await event_of(run_trigger(ids[0]))

    run(work, caplog)
    here = loops.pop("here")
    assert all(threads and not threads & here for threads in loops.values()), loops


def assume_role(server: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {**server.connection_extra(), "role_arn": "arn:aws:iam::123456789012:role/watcher"}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))


def test_an_assumed_role_is_renewed_outside_of_the_event_loop(
    server: LocalOmics,
    start: Any,
    clients: Clients,
    monkeypatch: pytest.MonkeyPatch,
    mocker: MockerFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from airflow.providers.amazon.aws.hooks.base_aws import BaseSessionFactory

    assume_role(server, monkeypatch)
    [run_id] = start(1, **SLOW)
    refreshed: list[int] = []
    refresh = BaseSessionFactory._refresh_credentials

    def note(factory: Any) -> Any:
        refreshed.append(threading.get_ident())
        return refresh(factory)

    mocker.patch.object(BaseSessionFactory, "_refresh_credentials", note)

    async def work() -> None:
        waiting = asyncio.create_task(event_of(run_trigger(run_id)))
        await until(lambda: calls(server)["GetRun"] >= 1)
        # As it is when an hour has gone by.
        credentials = clients.made[0]._request_signer._credentials
        credentials._expiry_time = credentials._time_fetcher()
        await until(lambda: len(refreshed) == 2)
        server.client("omics").cancel_run(id=run_id)
        assert (await waiting)["run"]["status"] == "CANCELLED"
        assert threading.get_ident() not in refreshed

    run(work, caplog)
    assert len(clients.made) == 1


@pytest.mark.parametrize(
    ("settings", "attempts", "rates"),
    [
        ({}, 6, {}),
        ({"config_kwargs": {"inject_host_prefix": False, "retries": {"max_attempts": 2}}}, 3, {}),
        ({"config_kwargs": {"inject_host_prefix": False, "retries": {"total_max_attempts": 9}}}, 9, {}),
        ({"service_config": {"omics": {"calls_per_second": 3}}}, 6, {"*": 3.0}),
        ({"service_config": {"omics": {"calls_per_second": {"GetRun": 20}}}}, 6, {"GetRun": 20.0}),
    ],
)
def test_the_connection_says_how_often_is_called_and_tried(
    server: LocalOmics, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], attempts: int, rates: dict[str, Any]
) -> None:
    extra = {**server.connection_extra(), **settings}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

    async def work() -> None:
        opened = await OmicsHook().open_watching_client()
        assert (opened.attempts, opened.rates) == (attempts, rates)
        assert opened.client.meta.config.retries["total_max_attempts"] == 1
        await opened.client.close()

    asyncio.run(work())


def test_a_rate_that_is_none_is_told_before_any_call(
    server: LocalOmics, start: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    [run_id] = start(1)
    extra = {**server.connection_extra(), "service_config": {"omics": {"calls_per_second": "fast"}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": extra}))

    async def work() -> None:
        event = await event_of(run_trigger(run_id))
        assert event["why"] == "error"
        assert "calls_per_second must be a number more than 0" in event["message"]

    run(work, caplog)
    assert not server.journal.calls()


def test_a_batch_and_its_samples_are_watched_together(
    server: LocalOmics, batches: Batches, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    batches.slow(running_min=HELD, running_max=HELD)
    settings = [*samples(60), ending("sick", "OUT_OF_MEMORY_ERROR"), {"runSettingId": "bad", "outputUri": "file:///t"}]
    batch_id = batches.start(settings)
    server.journal.clear()
    batches.held.release_after("GetBatch", 2)

    async def work() -> None:
        keys = [setting["runSettingId"] for setting in settings]
        triggers = [OmicsBatchRunTrigger(batch_id=batch_id, run_setting_id=key, waiter_delay=2.0) for key in keys]
        batch, *ends = await asyncio.gather(
            event_of(OmicsBatchTrigger(batch_id=batch_id, waiter_delay=2.0)), *map(event_of, triggers)
        )
        assert batch["batch"]["status"] == "PROCESSED"
        by_key = {end["sample"]["run_setting_id"]: end for end in ends}
        assert {by_key[f"sample-{n}"]["sample"]["run"]["status"] for n in range(60)} == {"COMPLETED"}
        # Why is for the task to ask.
        assert by_key["sick"]["sample"]["run"]["status"] == "FAILED"
        assert by_key["bad"]["sample"]["submission_status"] == "FAILED"

    run(work, caplog)
    assert len(clients.made) == 1
    counted = calls(server)
    assert counted["GetBatch"] + counted["ListRuns"] + counted["ListRunsInBatch"] < len(settings)
    assert counted["GetRun"] <= 1.2 * len(settings)


def test_a_killed_trigger_asks_through_the_client_that_is_there(
    server: LocalOmics, start: Any, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    ids = start(2, **SLOW)

    async def work() -> None:
        triggers = [run_trigger(run_id, cancel_on_kill=True) for run_id in ids]
        waits = [asyncio.create_task(event_of(trigger)) for trigger in triggers]
        await until(lambda: calls(server)["GetRun"] >= 2)
        await triggers[0].on_kill()
        assert (await waits[0])["run"]["status"] == "CANCELLED"
        assert not waits[1].done()
        assert calls(server)["CancelRun"] == 1
        await triggers[1].on_kill()
        await waits[1]

    run(work, caplog)
    assert len(clients.made) == 1


def test_metrics_that_cannot_be_kept_end_no_wait(
    start: Any, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.providers.common.compat.sdk import Stats

    for method in ("incr", "gauge"):
        mocker.patch.object(Stats, method, side_effect=RuntimeError("no metrics today"))
    ids = start(2)

    async def work() -> None:
        events = await asyncio.gather(*(event_of(run_trigger(run_id)) for run_id in ids))
        assert [event["run"]["status"] for event in events] == ["COMPLETED"] * 2

    run(work, caplog)


def test_metrics_go_to_airflow(
    server: LocalOmics, start: Any, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.providers.common.compat.sdk import Stats

    counted, kept = mocker.spy(Stats, "incr"), mocker.spy(Stats, "gauge")
    ids = start(3)

    async def work() -> None:
        await asyncio.gather(*(event_of(run_trigger(run_id)) for run_id in ids))

    run(work, caplog)
    calls_told = [call for call in counted.call_args_list if call.args[0] == "omics.watch.calls"]
    assert len(calls_told) == len(server.journal.calls())
    assert calls_told[0].kwargs["tags"]["aws_conn_id"] == "aws_default"
    assert any(call.args[0] == "omics.watch.watched" for call in kept.call_args_list)
