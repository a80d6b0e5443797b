"""The samples of a cohort's page: what is searched, filtered, sorted, and how many calls and bytes that takes."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_omics.healthomics.results.table import SampleStatus
from airflow_provider_omics.hooks.storage import ObjectVersion
from airflow_provider_omics.page.sample_table import SORTS, NotATableError, Query, SampleTable
from airflow_provider_omics.page.shared_calls import BusyError, SharedCalls
from airflow_provider_omics.page.tables import TableCache

MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)


def line(sample: str, run_status: str = "COMPLETED", **more: Any) -> bytes:
    row = {"run_setting_id": sample, "run_id": None, "submission_status": "SUCCESS", "run_status": run_status, **more}
    return json.dumps(row, ensure_ascii=False).encode()


def failed(sample: str, code: str, failure_class: str, **more: Any) -> bytes:
    return line(sample, "FAILED", failure_code=code, failure_class=failure_class, **more)


def start(second: int) -> dict[str, str]:
    return {"start_time": f"2026-01-01T00:00:{second:02}.000+00:00", "stop_time": "2026-01-01T00:01:00.000+00:00"}


ROWS = [
    line("b-2", run_id="1000001", cost_usd="0.5", **start(30)),
    failed("<script>", "OUT_OF_MEMORY_ERROR", "workflow", run_id="1000002", cost_usd="1.25", **start(10)),
    line("Ärztin/7", run_id="1000003", **start(20)),
    failed("c", "RUN_TASK_FAILED", "workflow", run_id="1000004"),
    line("d", "NOT_STARTED", submission_status="FAILED", submission_failure_reason="AccessDeniedException",
         failure_class="permission"),
    line("e", "NOT_STARTED", submission_status="NOT_SUBMITTED", failure_class="unknown"),
]  # fmt: skip


@pytest.fixture
def table() -> SampleTable:
    return SampleTable.read(ROWS)


def ids(table: SampleTable, **query: Any) -> list[str]:
    return [row["run_setting_id"] for row in table.page(Query(**query)).rows]


def test_samples_come_in_the_order_of_the_input_by_pages(table: SampleTable) -> None:
    everyone = ["b-2", "<script>", "Ärztin/7", "c", "d", "e"]
    assert ids(table) == everyone
    assert ids(table, descending=True) == everyone[::-1]
    assert [ids(table, page=page, size=4) for page in (1, 2, 3)] == [everyone[:4], everyone[4:], []]
    assert table.page(Query(page=3, size=4)).matched == 6


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": SampleStatus.FAILED}, ["<script>", "c"]),
        ({"status": SampleStatus.FAILED, "reason": "RUN_TASK_FAILED"}, ["c"]),
        ({"failure_class": "permission"}, ["d"]),
        ({"failure_class": "no such class"}, []),
        ({"search": "ÄRZT"}, ["Ärztin/7"]),
        ({"search": "1000004"}, ["c"]),
        ({"search": "<SCRIPT"}, ["<script>"]),
        ({"search": "1000", "status": SampleStatus.FAILED}, ["<script>", "c"]),
        ({"search": ".*"}, []),
    ],
)
def test_samples_are_filtered_and_searched(table: SampleTable, query: dict[str, Any], found: list[str]) -> None:
    assert ids(table, **query) == found
    assert table.page(Query(**query)).matched == len(found)


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("sample", ["<script>", "b-2", "c"]),
        ("status", ["<script>", "c", "d"]),
        ("failure_class", ["d", "e", "<script>"]),
        ("start_time", ["<script>", "Ärztin/7", "b-2"]),
        ("stop_time", ["b-2", "<script>", "Ärztin/7"]),
        ("duration", ["b-2", "Ärztin/7", "<script>"]),
        ("cost_usd", ["b-2", "<script>", "Ärztin/7"]),
        ("-cost_usd", ["<script>", "b-2", "Ärztin/7"]),
        ("-failure_class", ["c", "<script>", "e"]),
    ],
)
def test_samples_are_sorted_and_what_is_not_known_comes_last(table: SampleTable, sort: str, first: list[str]) -> None:
    found = ids(table, sort=sort.removeprefix("-"), descending=sort.startswith("-"))
    assert found[:3] == first
    assert sorted(found) == sorted(ids(table))


def test_a_row_says_who_can_act_and_what_a_cohort_came_to(table: SampleTable) -> None:
    row = table.row("<script>")
    assert row is not None
    assert (row["number"], row["duration"], row["reason"]) == (2, 50.0, "OUT_OF_MEMORY_ERROR")
    assert row["advice"]["owner"] == "the author of the workflow"
    assert table.row("script") is None
    assert table.counts() == {"completed": 2, "failed": 2, "failed_submissions": 1, "not_submitted": 1}
    assert table.failure_classes() == {"workflow": 2, "permission": 1, "unknown": 1}
    assert table.cost == (1.75, 2)
    groups = {(group.outcome.status.value, group.outcome.reason): group for group in table.failure_groups()}
    assert groups["failed_submissions", "AccessDeniedException"].advice.owner == "the administrator of the AWS account"
    assert groups["failed", "RUN_TASK_FAILED"].examples == ("c",)
    assert sum(group.count for group in groups.values()) == 4


@pytest.mark.parametrize("wrong", [b"run_setting_id,batch_id", b"[1]", b"{}", b'{"run_setting_id": 3}', b"\xff"])
def test_what_is_no_results_table_is_said_to_be_none(wrong: bytes) -> None:
    with pytest.raises(NotATableError, match="line 2 is no row"):
        SampleTable.read([ROWS[0], wrong])


def test_very_many_samples_take_little_memory_and_a_page_unpacks_only_its_own_blocks() -> None:
    count = 20_000
    lines = (line(f"sample-{n:06}", run_id=str(1_000_000 + n), arn=f"arn:aws:omics:::run/{n}") for n in range(count))
    table = SampleTable.read(lines)
    assert table.size < 350 * count
    assert ids(table, page=150, size=100)[0] == "sample-014900"
    for sort in SORTS:
        assert len(ids(table, sort=sort, search="sample-01", size=200)) == 200


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Objects:
    """Content of one object, with what was read of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.ranges: list[tuple[str, int, int]] = []

    def read_range(self, uri: str, version: ObjectVersion, start: int, size: int) -> bytes:
        self.ranges.append((version.etag, start, size))
        return self.content[start : start + size]

    def version(self, etag: str) -> ObjectVersion:
        return ObjectVersion(etag, len(self.content), MODIFIED)


def test_a_table_is_read_once_by_ranges_and_anew_only_when_it_was_written_again() -> None:
    row = line("x", arn="a" * 100_000)
    objects: Any = Objects(b"\n".join([*ROWS, *[row] * 90]))
    cache = TableCache()
    for _ in range(3):
        table = cache.load("account", "s3://b/k", objects.version("one"), objects).future.result()
    assert len(table) == len(ROWS) + 90
    assert [(etag, start) for etag, start, _ in objects.ranges] == [("one", 0), ("one", 4 << 20), ("one", 8 << 20)]
    objects.content = b"\n".join(ROWS) + b"\n"
    assert len(cache.load("account", "s3://b/k", objects.version("two"), objects).future.result()) == len(ROWS)
    assert objects.ranges[3:] == [("two", 0, 4 << 20)]
    # Another connection's leave is another's.
    cache.load("other", "s3://b/k", objects.version("two"), objects).future.result()
    assert len(objects.ranges) == 5


def test_tables_are_forgotten_beyond_a_bound_and_one_that_failed_is_read_again() -> None:
    objects: Any = Objects(b"\n".join(ROWS))
    clock = Clock()
    cache = TableCache(most_bytes=1, clock=clock)
    for uri in ("s3://b/1", "s3://b/2", "s3://b/1"):
        cache.load("account", uri, objects.version("one"), objects).future.result()
    assert len(objects.ranges) == 3
    objects.content = b"nonsense"
    broken = objects.version("bad")
    for later in (0, 9, 2):
        clock.now += later
        with pytest.raises(NotATableError):
            cache.load("account", "s3://b/3", broken, objects).future.result()
    assert len(objects.ranges) == 5
    with pytest.raises(NotATableError, match="more than are shown"):
        cache.load("account", "s3://b/4", ObjectVersion("huge", 1 << 40, MODIFIED), objects).future.result()
    assert len(objects.ranges) == 5


def test_many_who_ask_at_the_same_time_get_the_answer_of_one_call() -> None:
    clock = Clock()
    shared = SharedCalls(clock)
    calls: list[int] = []
    go = threading.Event()

    def call() -> int:
        go.wait()
        calls.append(1)
        return len(calls)

    waiting: list[Future[int]] = [shared.submit("key", call, lambda _: 10.0) for _ in range(100)]
    with ThreadPoolExecutor(1) as other:
        nested = other.submit(shared.call, "key", call, lambda _: 10.0)
        go.set()
        assert nested.result() == 1
    assert {future.result() for future in waiting} == {1}
    clock.now += 9.9
    assert shared.call("key", call, lambda _: 10.0) == 1
    clock.now += 0.2
    assert shared.call("key", call, lambda _: 10.0) == 2
    assert shared.call("another", call, lambda _: 10.0) == 3


def test_an_error_is_shared_for_as_long_as_it_is_to_be() -> None:
    clock = Clock()
    shared = SharedCalls(clock)
    calls: list[int] = []

    def fail() -> int:
        calls.append(1)
        raise OSError("no way")

    for _ in range(3):
        with pytest.raises(OSError, match="no way"):
            shared.submit("key", fail, lambda answer: 5.0 if answer is None else 60.0).result()
    assert len(calls) == 1
    clock.now += 5
    with pytest.raises(OSError, match="no way"):
        shared.call("key", fail, lambda _: 5.0)
    assert len(calls) == 2


def test_no_more_calls_wait_than_are_taken_on_and_few_answers_are_kept() -> None:
    shared = SharedCalls(Clock())
    go = threading.Event()
    for key in range(68):  # four are being made, 64 wait
        shared.submit(key, go.wait, lambda _: 1.0)
        while key < 4 and shared._waiting:
            time.sleep(0.001)
    with pytest.raises(BusyError):
        shared.submit("one more", go.wait, lambda _: 1.0)
    go.set()
    for key in range(5_000, 8_000):
        shared.call(key, lambda: None, lambda _: 1_000.0)
    assert len(shared._entries) <= 500
    shared.call("page", lambda: None, lambda _: 0.0)
    assert "page" not in shared._entries
