"""The runs whose log streams and outputs nobody has read yet, and what is written when somebody does."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.console import LOG_GROUP
from airflow_provider_omics.local.artefacts.outputs import forget_definition, leaves_objects, simulated_objects
from airflow_provider_omics.local.artefacts.reads import add_listener, remove_listener
from airflow_provider_omics.local.artefacts.streams import run_streams
from airflow_provider_omics.local.aws import S3Error

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_omics.local.aws import Aws
    from airflow_provider_omics.local.records import Run

log = logging.getLogger(__name__)

_RUN, _MANIFEST = "run/", "manifest/run/"


class _Shelf:
    """Runs by a key, of which one thread at a time takes those of one key."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._unsorted: deque[tuple[str, Run]] = deque()
        self._runs: dict[str, list[Run]] = {}
        self._takers: dict[str, int] = {}

    def add(self, key: str, run: Run) -> None:
        """Put a run there, without waiting for anybody."""
        self._unsorted.append((key, run))

    def names(self) -> list[str]:
        """Return the keys of all runs that are there, or are taken."""
        with self._changed:
            self._sort()
            return [*self._takers, *(key for key in self._runs if key not in self._takers)]

    @contextmanager
    def taken(self, key: str) -> Iterator[list[Run]]:
        """Take the runs of a key, once no other thread has any of them.

        :return: the runs; those that are left in the list go back.
        """
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._takers.get(key, me) == me)
            self._sort()
            # What this thread writes may be read by what is told of it.
            runs = [] if key in self._takers else self._runs.pop(key, [])
            if runs:
                self._takers[key] = me
        if not runs:
            yield runs
            return
        try:
            yield runs
        finally:
            self._put_back(key, runs)

    def _put_back(self, key: str, runs: list[Run]) -> None:
        with self._changed:
            del self._takers[key]
            if runs:
                self._runs[key] = [*runs, *self._runs.get(key, ())]
            self._changed.notify_all()

    def _sort(self) -> None:
        # A run may be added at any moment.
        while self._unsorted:
            key, run = self._unsorted.popleft()
            self._runs.setdefault(key, []).append(run)


class UnreadArtefacts:
    """Keeps the runs of one account until what they leave has been written.

    100,000 runs of which nobody reads anything cost a place in a list each. Reading one run's streams or outputs
    writes that run's; listing all writes all.

    :param aws: takes what is written, for the runs of its account and region.
    :param started_by: ARN of who starts the runs.
    """

    def __init__(self, aws: Aws, started_by: str) -> None:
        self._aws = aws
        self._started_by = started_by
        # The account's lock guards neither: whoever holds that of another account may be about to read in S3.
        self._streams = _Shelf()
        self._objects = _Shelf()
        self._written: dict[str, Counter[str]] = {}
        self._listens = False

    def add(self, run: Run) -> None:
        """Keep a new run."""
        if not self._listens:
            self._listens = True
            add_listener(self)
        self._streams.add(run.run_id, run)

    def forget(self, run: Run) -> None:
        """Keep of a run that is deleted no more than what it leaves follows from."""
        if run.end_status is not None:
            forget_definition(run)

    def close(self) -> None:
        """Forget every run."""
        remove_listener(self)

    def before_objects(self, bucket: str, key: str, *, below: bool) -> None:
        """Write the outputs of the runs whose folder a key, or with ``below`` any key with this beginning, is in."""
        roots = list(_folders_of(bucket, key))
        if below:
            start = f"s3://{bucket}/{key}"
            roots += (root for root in self._objects.names() if f"{root}/".startswith(start))
        for root in roots:
            self._write_objects(root)

    def before_streams(self, account: str, region: str, name: str) -> None:
        """Write the log streams whose names begin like this."""
        if (account, region) != (self._aws.account, self._aws.region):
            return
        for run_id in self._run_ids(name):
            self._write_streams(run_id)

    def _run_ids(self, name: str) -> Iterable[str]:
        """Return the ids of the runs that may have streams whose names begin like this."""
        start = _MANIFEST if name.startswith("m") else _RUN
        if start.startswith(name):
            return self._streams.names()
        run_id, slash, _ = name.removeprefix(start).partition("/")
        if not name.startswith(start):
            return ()
        return [run_id] if slash else [found for found in self._streams.names() if found.startswith(run_id)]

    def _write_streams(self, run_id: str) -> None:
        with self._streams.taken(run_id) as runs:
            for run in list(runs):
                # Asked before its lines are: what ends meanwhile is looked at again.
                has_ended = run.end_status is not None
                try:
                    for stream, lines in run_streams(run, self._started_by).items():
                        self._append(run, stream, lines)
                except Exception:
                    # Whoever reads may have asked for those of others.
                    log.warning("Run %s has left no more log streams", run.run_id, exc_info=True)
                if has_ended:
                    self._written.pop(run.uuid, None)
                    runs.remove(run)

    def _append(self, run: Run, stream: str, lines: list[tuple[datetime, str]]) -> None:
        written = self._written.setdefault(run.uuid, Counter())
        known, written[stream] = written[stream], len(lines)
        try:
            self._aws.put_log_lines(LOG_GROUP, stream, lines[known:])
        except Exception:
            # As when a run writes by itself: logs are best effort.
            log.warning("Could not write to the log stream %s", stream, exc_info=True)

    def _write_objects(self, root: str) -> None:
        with self._objects.taken(root) as runs:
            while runs:
                run = runs.pop(0)
                try:
                    for uri, content in simulated_objects(run):
                        self._aws.put_object(uri, content)
                except S3Error as error:
                    log.info("Run %s has left no outputs: %s", run.run_id, error)
                except Exception:
                    # Whoever reads may have asked for what others have left.
                    log.warning("Run %s has left no outputs", run.run_id, exc_info=True)

    def run_ended(self, run: Run) -> None:
        """Write at once where somebody is sent what is written, or notes of it; call it before anybody hears of it."""
        if leaves_objects(run):
            self._objects.add(run.output_root.rstrip("/"), run)
        if self._aws.has_log_subscribers(LOG_GROUP):
            self._write_streams(run.run_id)
        if run.simulation is not None and self._aws.has_object_listeners(run.output_root):
            self._write_objects(run.output_root.rstrip("/"))


def _folders_of(bucket: str, key: str) -> Iterator[str]:
    folder = f"s3://{bucket}"
    yield folder
    for part in key.split("/"):
        folder = f"{folder}/{part}"
        yield folder
