"""OmicsRunEventTrigger reading a real queue that the local server's EventBridge fills."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import airflow
import pytest
from asset_watchers import HAS_ASSET_WATCHERS, stored_watchers
from event_queues import EventQueueOnServer
from omics_errors import raises
from omics_service import await_status
from packaging.version import Version
from task_runs import load_trigger

from airflow_provider_omics.healthomics.api.backoff import EndlessBackoff
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.hooks.event_queue import EventQueue, Received, ReceiveOptions
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.local import FaultKind, FaultRule, LocalOmics

if not HAS_ASSET_WATCHERS:
    pytest.skip("Airflow 2 has no asset watchers", allow_module_level=True)

from airflow.triggers.base import BaseEventTrigger

from airflow_provider_omics.triggers.events import OmicsRunEventTrigger

SHARES = pytest.mark.skipif(
    Version(airflow.__version__) < Version("3.3"), reason="Airflow 3.3 is the first that shares"
)
ONE_TRY = {"retries": {"total_max_attempts": 1}}
DEADLINE = 600
Start = Callable[..., dict[str, Any]]


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def queue(server: LocalOmics) -> EventQueueOnServer:
    return EventQueueOnServer(server).open()


@pytest.fixture
def end_runs(server: LocalOmics, omics: Any, start_run: Start) -> Callable[..., list[str]]:
    """Start runs, wait until they have ended and their events are in the queues, and return their ids."""

    def end(count: int, **settings: Any) -> list[str]:
        ids = [start_run(**settings)["id"] for _ in range(count)]
        for run_id in ids:
            await_status(lambda run_id=run_id: omics.get_run(id=run_id), "COMPLETED", "FAILED", "CANCELLED")
        server.account().events.drain()
        return ids

    return end


def trigger_of(queue: EventQueueOnServer, **arguments: Any) -> OmicsRunEventTrigger:
    """A trigger as the triggerer makes it from storage."""
    stored = OmicsRunEventTrigger(sqs_queue=queue.url, wait_time_seconds=1, **arguments).serialize()[1]
    return OmicsRunEventTrigger(**json.loads(json.dumps(stored)))


def within(work: Awaitable[Any]) -> Any:
    """Run a coroutine that must end in time."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work, DEADLINE)

    return asyncio.run(bounded())


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that becomes true without the event loop's doing."""
    while not await asyncio.to_thread(condition):
        await asyncio.sleep(0.02)


async def fired(trigger: OmicsRunEventTrigger, count: int) -> list[dict[str, Any]]:
    """The payloads of the first events of a trigger that is then cancelled."""
    payloads: list[dict[str, Any]] = []
    async with aclosing(trigger.run()) as events:
        async for event in events:
            payloads.append(json.loads(json.dumps(event.payload)))
            if len(payloads) == count:
                break
    return payloads


def test_it_fires_once_a_run_has_ended(
    queue: EventQueueOnServer, omics: Any, end_runs: Callable[..., list[str]]
) -> None:
    (run_id,) = end_runs(1, name="liver")
    run = omics.get_run(id=run_id)
    (payload,) = within(fired(trigger_of(queue), 1))
    assert {name: payload[name] for name in ("kind", "id", "arn", "uuid", "status", "name", "run_output_uri")} == {
        "kind": "run",
        "id": run_id,
        "arn": run["arn"],
        "uuid": run["uuid"],
        "status": "COMPLETED",
        "name": "liver",
        "run_output_uri": run["runOutputUri"],
    }


@pytest.mark.parametrize("stored", stored_watchers(), ids=lambda stored: stored["classpath"].rpartition(".")[2])
def test_one_that_an_earlier_release_stored_reads_on(
    queue: EventQueueOnServer, end_runs: Callable[..., list[str]], stored: dict[str, Any]
) -> None:
    (run_id,) = end_runs(1)
    trigger = load_trigger(stored["classpath"], {**stored["arguments"], "sqs_queue": queue.url})
    (payload,) = within(fired(trigger, 1))
    assert (payload["id"], payload["status"]) == (run_id, "COMPLETED")


def test_kinds_statuses_and_workflows_are_filters(
    queue: EventQueueOnServer, make_workflow: Callable[..., str], end_runs: Callable[..., list[str]]
) -> None:
    wanted, other = make_workflow(), make_workflow()
    end_runs(1, workflowId=other, tags={"omics-local:outcome": "SERVICE_ERROR"})
    end_runs(1, workflowId=wanted)
    (failed,) = end_runs(1, workflowId=wanted, tags={"omics-local:outcome": "SERVICE_ERROR"})
    trigger = trigger_of(queue, kinds=["run"], statuses=["FAILED"], workflow_ids=[wanted])
    (payload,) = within(fired(trigger, 1))
    assert (payload["id"], payload["workflow_id"]) == (failed, wanted)


def test_a_batch_fires_with_its_counts(
    queue: EventQueueOnServer, omics: Any, make_workflow: Callable[..., str], server: LocalOmics
) -> None:
    defaults = {"workflowId": make_workflow(), "roleArn": "arn:aws:iam::1:role/r", "outputUri": "s3://results/runs"}
    settings = {"inlineSettings": [{"runSettingId": "one"}, {"runSettingId": "two"}]}
    batch = omics.start_run_batch(batchName="cohort", defaultRunSetting=defaults, batchRunSettings=settings)
    (payload,) = within(fired(trigger_of(queue, kinds=["batch"]), 1))
    assert (payload["id"], payload["status"], payload["name"]) == (batch["id"], "PROCESSED", "cohort")
    assert (payload["detail"]["totalRuns"], payload["detail"]["completedRunCount"]) == ("2", "2")


def test_what_was_handed_over_and_not_stored_comes_again(
    queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    ids = end_runs(3)
    first = within(fired(trigger_of(queue, visibility_timeout=1), 3))
    # The triggerer died before it stored anything; another one takes over.
    second = within(fired(trigger_of(queue), 3))
    assert {payload["id"] for payload in first} == {payload["id"] for payload in second} == set(ids)
    assert {payload["event_id"] for payload in first} == {payload["event_id"] for payload in second}
    assert {payload["identity"] for payload in first} == {payload["identity"] for payload in second}


def test_doubled_and_late_events_lose_no_run(
    server: LocalOmics, queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    server.change(assumptions={"event_doubled_share": 0.5, "event_late_share": 0.5})
    ids = end_runs(12)

    async def until_all() -> list[dict[str, Any]]:
        payloads: list[dict[str, Any]] = []
        async with aclosing(trigger_of(queue).run()) as events:
            async for event in events:
                payloads.append(event.payload)
                if {payload["id"] for payload in payloads} == set(ids):
                    break
        return payloads

    payloads = within(until_all())
    assert len({payload["identity"] for payload in payloads}) == 12


class Told:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda text, *args: self.lines.append((level, text % args if args else text))

    def of(self, level: str) -> list[str]:
        return [text for at, text in self.lines if at == level]


QUICK = EndlessBackoff(initial=0.01, maximum=0.02, permanent=0.02)


@asynccontextmanager
async def reader(url: str, told: Told, **settings: Any) -> AsyncIterator[EventQueue]:
    connection = ConnectionParameters(botocore_config=settings.pop("botocore_config", ONE_TRY))
    reading = ReceiveOptions(wait_time_seconds=1, **settings)
    async with EventQueue(url, connection, reading, told, backoff=QUICK) as queue:
        yield queue


async def receive(queue: EventQueue, count: int) -> list[Received]:
    """Receive until there are so many ends."""
    found: list[Received] = []
    while len(found) < count:
        messages = await queue.receive()
        found += [message for message in messages if message.event.phase.is_final]
        queue.ack([message.receipt for message in messages])
    return found


def test_what_is_no_event_is_left_in_the_queue_told_once_and_blocks_nothing(
    queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    strangers = [queue.send(body) for body in ("{", '{"source": "aws.s3", "detail-type": "Object Created"}', "a" * 10)]
    told = Told()

    async def read() -> list[Received]:
        async with reader(queue.url, told, visibility_timeout=1, max_number_of_messages=1) as reading:
            first = await receive(reading, 2)
            # By now the strangers were shown again.
            await asyncio.to_thread(end_runs, 1)
            return [*first, *await receive(reading, 1)]

    ids = end_runs(2)
    assert {received.event.id for received in within(read())} > set(ids)
    assert queue.held == 3
    for message_id in strangers:
        assert len([line for line in told.of("warning") if message_id in line]) == 1


def test_events_of_healthomics_about_other_things_are_deleted(
    queue: EventQueueOnServer, make_workflow: Callable[..., str], server: LocalOmics
) -> None:
    make_workflow()
    server.account().events.drain()
    assert queue.waiting == 2

    async def read() -> None:
        async with reader(queue.url, Told()) as reading:
            assert await reading.receive() == []

    within(read())
    assert queue.held == 0


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": FaultKind.ERROR_BEFORE, "code": "InternalFailure"},
        {"kind": FaultKind.THROTTLE},
        {"kind": FaultKind.DROPPED_CONNECTION},
        {"kind": FaultKind.LOST_ANSWER},
    ],
    ids=lambda rule: str(rule["kind"]),
)
def test_errors_that_pass_are_told_with_the_age_of_the_last_answer(
    server: LocalOmics, queue: EventQueueOnServer, end_runs: Callable[..., list[str]], rule: dict[str, Any]
) -> None:
    told = Told()

    async def read() -> list[Received]:
        async with reader(queue.url, told, visibility_timeout=1) as reading:
            first = await receive(reading, 1)
            server.faults.add(FaultRule(operation="sqs:ReceiveMessage", count=3, **rule))
            await asyncio.to_thread(end_runs, 1)
            return [*first, *await receive(reading, 1)]

    end_runs(1)
    assert len(within(read())) == 2
    assert len([line for line in told.of("warning") if "The last good answer was" in line]) == 3
    assert len([line for line in told.of("info") if "answers again" in line]) == 1
    assert told.of("error") == told.of("exception") == []


def test_a_queue_that_is_made_later_is_read_then(
    server: LocalOmics, queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    told = Told()
    url = queue.url.replace(queue.name, "made-later")

    async def read() -> list[Received]:
        async with reader(url, told) as reading:
            assert await reading.receive() == []
            later = EventQueueOnServer(server, name="made-later").open()
            assert later.url == url
            await asyncio.to_thread(end_runs, 1)
            return await receive(reading, 1)

    assert len(within(read())) == 1
    (line,) = told.of("error")
    assert url in line
    assert "Check the queue's URL" in line


def test_a_connection_that_is_mended_is_read_again(
    server: LocalOmics,
    queue: EventQueueOnServer,
    end_runs: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told()
    end_runs(1)
    broken = {"conn_type": "aws", "extra": {**server.connection_extra(), "config_kwargs": {"no_such_setting": 1}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(broken))

    async def read() -> list[Received]:
        async with reader(queue.url, told) as reading:
            assert await reading.receive() == []
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_uri())
            return await receive(reading, 1)

    assert len(within(read())) == 1
    assert len(told.of("error")) == len(told.of("exception")) == 1


def test_refused_credentials_make_a_new_client(
    server: LocalOmics, queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    peers: list[tuple[str, int]] = []
    told = Told()

    async def read() -> None:
        async with reader(queue.url, told) as reading:
            await receive(reading, 1)
            kind, name = FaultKind.ERROR_BEFORE, "sqs:ReceiveMessage"
            note = lambda facts: not peers.append(facts.peer)  # noqa: E731
            expired = FaultRule(kind=kind, operation=name, code="ExpiredToken", http_status=403, matches=note)
            server.faults.add(expired)
            await asyncio.to_thread(end_runs, 1)
            await receive(reading, 1)

    end_runs(1)
    within(read())
    # The client that was refused is not the one that was answered.
    assert len(set(peers)) == 2
    assert "ExpiredToken" in told.of("warning")[0]


def test_what_cannot_be_deleted_stops_the_reading_until_it_can(
    server: LocalOmics, queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    told = Told()
    denied = FaultRule(
        kind=FaultKind.ERROR_BEFORE, operation="sqs:DeleteMessageBatch", count=5, code="AccessDenied", http_status=403
    )

    async def read() -> None:
        async with reader(queue.url, told, visibility_timeout=1) as reading:
            await receive(reading, 1)
            await asyncio.to_thread(end_runs, 1)
            server.faults.add(denied)
            for _ in range(5):
                assert await reading.receive() == []
            await receive(reading, 1)

    end_runs(1)
    within(read())
    assert queue.held == 0
    assert len([line for line in told.of("error") if "sqs:DeleteMessage" in line]) == 5


def test_a_deletion_whose_answer_was_lost_is_done(
    server: LocalOmics, queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    server.faults.add(FaultRule(kind=FaultKind.LOST_ANSWER, operation="sqs:DeleteMessageBatch"))

    async def read() -> list[Received]:
        async with reader(queue.url, Told()) as reading:
            return await receive(reading, 4)

    ids = end_runs(4)
    assert sorted(received.event.id for received in within(read())) == sorted(ids)
    assert queue.held == 0


def test_a_message_is_kept_until_it_is_due(queue: EventQueueOnServer, end_runs: Callable[..., list[str]]) -> None:
    async def read() -> None:
        async with reader(queue.url, Told()) as reading:
            messages = await reading.receive()
            reading.ack([message.receipt for message in messages], after=0.5)
            await reading.delete_acknowledged()
            assert await asyncio.to_thread(lambda: queue.received) == len(messages) > 0
            while await asyncio.to_thread(lambda: queue.held):
                reading.ack([message.receipt for message in await reading.receive()])

    end_runs(1)
    within(read())


def test_nothing_is_left_open(queue: EventQueueOnServer, end_runs: Callable[..., list[str]]) -> None:
    end_runs(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        complaints: list[dict[str, Any]] = []

        async def watch_out() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            await fired(trigger_of(queue), 1)
            gc.collect()

        within(watch_out())
        gc.collect()
    assert complaints == []


class Triggerer:
    """Drives triggers as Airflow's does; :meth:`store` is the database's part."""

    def __init__(self) -> None:
        from airflow.triggers.shared_stream import SharedStreamManager

        self._manager = SharedStreamManager()
        self._unstored: list[int] = []
        self._triggers: list[tuple[int, Any, asyncio.Task[None]]] = []
        self.payloads: dict[int, list[dict[str, Any]]] = {}

    async def __aenter__(self) -> Triggerer:
        return self

    async def __aexit__(self, *_: object) -> None:
        for trigger_id, key, task in self._triggers:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._manager.unsubscribe(trigger_id, key)

    def start(self, trigger: OmicsRunEventTrigger) -> int:
        trigger_id, key = len(self._triggers) + 1, trigger.shared_stream_key()
        self.payloads[trigger_id] = []
        stream = self._manager.subscribe(trigger_id=trigger_id, trigger=trigger, key=key)
        task = asyncio.create_task(self._run(trigger_id, key, trigger.filter_shared_stream(stream)))
        self._triggers.append((trigger_id, key, task))
        return trigger_id

    async def _run(self, trigger_id: int, key: Any, events: AsyncIterator[Any]) -> None:
        async for event in events:
            seq = self._manager.bind_pending_event(trigger_id=trigger_id, key=key)
            self.payloads[trigger_id].append(event.payload)
            assert seq is not None
            self._unstored.append(seq)

    def store(self) -> None:
        stored, self._unstored = self._unstored, []
        self._manager.confirm_persisted(stored)


@SHARES
def test_a_message_is_deleted_when_its_event_is_stored(
    queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    ids = end_runs(3)

    async def read() -> None:
        async with Triggerer() as triggerer:
            mine = triggerer.start(trigger_of(queue))
            await until(lambda: len(triggerer.payloads[mine]) == 3 and queue.waiting == 0)
            assert {payload["id"] for payload in triggerer.payloads[mine]} == set(ids)
            assert queue.received >= 3
            triggerer.store()
            await until(lambda: queue.held == 0)

    within(read())


@SHARES
def test_what_a_triggerer_has_not_stored_comes_again_to_the_next(
    queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    ids = end_runs(2)

    async def read() -> None:
        async with Triggerer() as dying:
            mine = dying.start(trigger_of(queue, visibility_timeout=1))
            await until(lambda: len(dying.payloads[mine]) == 2)
        async with Triggerer() as next_one:
            mine = next_one.start(trigger_of(queue))
            await until(lambda: len(next_one.payloads[mine]) == 2)
            assert {payload["id"] for payload in next_one.payloads[mine]} == set(ids)

    within(read())


@SHARES
def test_triggers_of_one_queue_share_a_reader_and_each_gets_its_own(
    server: LocalOmics, queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    peers: set[tuple[str, int]] = set()

    def note(facts: Any) -> bool:
        peers.add(facts.peer)
        return False

    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="sqs:ReceiveMessage", matches=note))
    completed = end_runs(2)
    failed = end_runs(2, tags={"omics-local:outcome": "SERVICE_ERROR"})

    async def read() -> None:
        async with Triggerer() as triggerer:
            failures = triggerer.start(trigger_of(queue, statuses=["FAILED"]))
            ends = triggerer.start(trigger_of(queue, kinds=["run"], max_number_of_messages=3))
            payloads = triggerer.payloads
            await until(lambda: len(payloads[failures]) == 2 and len(payloads[ends]) == 4)
            assert {payload["id"] for payload in payloads[failures]} == set(failed)
            assert {payload["id"] for payload in payloads[ends]} == {*completed, *failed}
            triggerer.store()
            await until(lambda: queue.held == 0)

    within(read())
    assert len(peers) == 1


@SHARES
def test_it_holds_no_more_than_can_be_stored_in_time(
    queue: EventQueueOnServer, end_runs: Callable[..., list[str]]
) -> None:
    (run_id,) = end_runs(1)
    (payload,) = within(fired(trigger_of(queue, visibility_timeout=1), 1))
    envelope = {"id": "e", "source": "aws.omics", "detail-type": "Run Status Change", "detail": payload["detail"]}
    for number in range(212):
        queue.send(json.dumps({**envelope, "id": str(number)}))

    async def read() -> None:
        async with Triggerer() as triggerer:
            mine = triggerer.start(trigger_of(queue))
            await until(lambda: len(triggerer.payloads[mine]) >= 200)
            # Ten at a time, and none after the two hundredth.
            assert len(triggerer.payloads[mine]) < 210
            triggerer.store()
            await until(lambda: len(triggerer.payloads[mine]) >= 212)
            triggerer.store()
            await until(lambda: queue.held == 0)
            assert {payload["id"] for payload in triggerer.payloads[mine]} == {run_id}

    within(read())


URL = "https://sqs.us-east-1.amazonaws.com/123456789012/events"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"sqs_queue": "events"}, "sqs_queue: is 'events', which is no URL"),
        ({"sqs_queue": "arn:aws:sqs:us-east-1:123456789012:events"}, "sqs_queue"),
        ({"sqs_queue": None}, "sqs_queue"),
        ({"sqs_queue": f"{URL}.fifo"}, "a FIFO queue"),
        ({"kinds": ["runs"]}, "kinds: has 'runs'. Take from run, batch"),
        ({"kinds": "run"}, "kinds: is 'run', not a list"),
        ({"kinds": []}, "kinds"),
        ({"statuses": ["DONE", "FAILED"]}, "statuses: has 'DONE'"),
        ({"statuses": ["PROCESSED"], "kinds": ["run"]}, "statuses: has 'PROCESSED'"),
        ({"statuses": []}, "statuses"),
        ({"workflow_ids": [1234567]}, "workflow_ids"),
        ({"wait_time_seconds": 0}, "wait_time_seconds: is 0. Give a whole number from 1 to 20"),
        ({"wait_time_seconds": 21}, "wait_time_seconds"),
        ({"wait_time_seconds": 1.5}, "wait_time_seconds"),
        ({"max_number_of_messages": 11}, "max_number_of_messages"),
        ({"max_number_of_messages": True}, "max_number_of_messages"),
        ({"visibility_timeout": 0}, "visibility_timeout"),
        ({"visibility_timeout": 43_201}, "from 1 to 43,200"),
        ({"botocore_config": {"retries": object()}}, "botocore_config"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_read(arguments: dict[str, Any], told: str) -> None:
    with raises(OmicsRequestInvalidError, match=told):
        OmicsRunEventTrigger(**{"sqs_queue": URL, **arguments})


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        OmicsRunEventTrigger(sqs_queue="", kinds=["x"], wait_time_seconds=0, max_number_of_messages=0)
    assert [issue.where for issue in caught.value.issues] == [
        "sqs_queue",
        "kinds",
        "wait_time_seconds",
        "max_number_of_messages",
    ]


def test_airflow_takes_equal_triggers_for_one() -> None:
    def hashed(**arguments: Any) -> int:
        classpath, stored = OmicsRunEventTrigger(sqs_queue=URL, **arguments).serialize()
        again = BaseEventTrigger.hash(classpath, json.loads(json.dumps(stored)))
        assert BaseEventTrigger.hash(classpath, stored) == again
        return again

    assert hashed(statuses=["FAILED", "COMPLETED"]) == hashed(statuses=("COMPLETED", "FAILED", "FAILED"))
    assert hashed() != hashed(statuses=["FAILED"])
