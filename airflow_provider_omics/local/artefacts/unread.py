"""The runs whose log streams and outputs nobody has read yet, and what is written when somebody does."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.console import LOG_GROUP
from airflow_provider_omics.local.artefacts.outputs import simulated_objects
from airflow_provider_omics.local.artefacts.reads import add_listener, remove_listener
from airflow_provider_omics.local.artefacts.streams import run_streams
from airflow_provider_omics.local.aws import S3Error

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_omics.local.aws import Aws
    from airflow_provider_omics.local.records import Run

log = logging.getLogger(__name__)

_RUN, _MANIFEST = "run/", "manifest/run/"


class UnreadArtefacts:
    """Keeps the runs of one account until what they leave has been written.

    100,000 runs of which nobody reads anything cost a place in a list each. Reading one run's streams or outputs
    writes that run's; listing all writes all.

    :param aws: takes what is written, for the runs of its account and region.
    :param started_by: ARN of who starts the runs.
    """

    def __init__(self, aws: Aws, started_by: str) -> None:
        self._aws = aws
        # Not the account's: whoever holds that of another account may be about to read in S3.
        self._lock = threading.RLock()
        self._started_by = started_by
        self._unsorted: deque[Run] = deque()
        self._streams: dict[str, list[Run]] = {}
        self._written: dict[str, Counter[str]] = {}
        self._objects: dict[str, list[Run]] = {}
        self._listens = False

    def add(self, run: Run) -> None:
        """Keep a new run."""
        if not self._listens:
            self._listens = True
            add_listener(self)
        self._unsorted.append(run)

    def close(self) -> None:
        """Forget every run."""
        remove_listener(self)

    def before_objects(self, bucket: str, key: str, *, below: bool) -> None:
        """Write the outputs of the runs whose folder a key, or with ``below`` any key with this beginning, is in."""
        with self._lock:
            self._sort()
            roots = set(_folders_of(bucket, key))
            if below:
                start = f"s3://{bucket}/{key}"
                roots.update(root for root in self._objects if f"{root}/".startswith(start))
            found = [root for root in roots if root in self._objects]
        for root in found:
            with self._lock:
                self._write_objects(root)

    def before_streams(self, account: str, region: str, name: str) -> None:
        """Write the log streams whose names begin like this."""
        if (account, region) != (self._aws.account, self._aws.region):
            return
        with self._lock:
            self._sort()
            run_ids = list(self._run_ids(name))
        for run_id in run_ids:
            with self._lock:
                self._write_streams(run_id)

    def _run_ids(self, name: str) -> Iterable[str]:
        """Return the ids of the runs that may have streams whose names begin like this."""
        start = _MANIFEST if name.startswith("m") else _RUN
        if start.startswith(name):
            return self._streams
        run_id, slash, _ = name.removeprefix(start).partition("/")
        if not name.startswith(start):
            return ()
        if slash:
            return [run_id] if run_id in self._streams else ()
        return [found for found in self._streams if found.startswith(run_id)]

    def _sort(self) -> None:
        # A run may be added at any moment.
        while self._unsorted:
            run = self._unsorted.popleft()
            self._streams.setdefault(run.run_id, []).append(run)
            self._objects.setdefault(run.output_root.rstrip("/"), []).append(run)

    def _write_streams(self, run_id: str) -> None:
        left = []
        for run in self._streams.pop(run_id, ()):
            # Asked before its lines are: what ends meanwhile is looked at again.
            has_ended = run.end_status is not None
            for stream, lines in run_streams(run, self._started_by).items():
                self._append(run, stream, lines)
            if has_ended:
                self._written.pop(run.uuid, None)
            else:
                left.append(run)
        if left:
            self._streams[run_id] = left

    def _append(self, run: Run, stream: str, lines: list[tuple[datetime, str]]) -> None:
        written = self._written.setdefault(run.uuid, Counter())
        known, written[stream] = written[stream], len(lines)
        try:
            self._aws.put_log_lines(LOG_GROUP, stream, lines[known:])
        except Exception:
            # As when a run writes by itself: logs are best effort.
            log.warning("Could not write to the log stream %s", stream, exc_info=True)

    def _write_objects(self, root: str) -> None:
        left = []
        for run in self._objects.pop(root, ()):
            if run.end_status is None:
                left.append(run)
                continue
            try:
                for uri, content in simulated_objects(run):
                    self._aws.put_object(uri, content)
            except S3Error as error:
                log.info("Run %s has left no outputs: %s", run.run_id, error)
        if left:
            self._objects[root] = left

    def run_ended(self, run: Run) -> None:
        """Write at once where somebody is sent what is written, or notes of it."""
        if self._aws.has_log_subscribers(LOG_GROUP):
            with self._lock:
                self._sort()
                self._write_streams(run.run_id)
        if run.simulation is not None and self._aws.has_object_listeners(run.output_root):
            with self._lock:
                self._sort()
                self._write_objects(run.output_root.rstrip("/"))


def _folders_of(bucket: str, key: str) -> Iterator[str]:
    folder = f"s3://{bucket}"
    yield folder
    for part in key.split("/"):
        folder = f"{folder}/{part}"
        yield folder
