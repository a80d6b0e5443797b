"""Results tables of cohorts, read from S3 by ranges, once for each content that they have, and kept within a bound."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from airflow_provider_omics.hooks.storage import ObjectStorage, ObjectVersion
from airflow_provider_omics.page.sample_table import NotATableError, SampleTable

_RANGE_BYTES = 4 << 20
_MOST_BYTES = 512 << 20
_MOST_KEPT_BYTES = 128 << 20
# As long as one table is read, others wait, so that the memory of two is never needed at once.
_READERS = 1
_RETRY_SECONDS = 10.0


@dataclass
class TableLoad:
    """Table that is being read, or was.

    :ivar done: how many bytes were read already.
    :ivar failed_at: when reading it failed, by the cache's clock; None if it has not.
    """

    version: ObjectVersion
    future: Future[SampleTable] = field(default_factory=Future)
    done: int = 0
    failed_at: float | None = None

    @property
    def size(self) -> int:
        """About how many bytes of memory the table takes; 0 while it is being read."""
        return self.future.result().size if self.future.done() and not self.future.exception() else 0


class TableCache:
    """Cache of the tables that were looked at last.

    :param most_bytes: how much memory they may take together, about; the newest is kept in any case.
    :param clock: gives seconds; the default is the monotonic clock.
    """

    def __init__(self, most_bytes: int = _MOST_KEPT_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._loads: OrderedDict[tuple[object, str], TableLoad] = OrderedDict()
        self._executor = ThreadPoolExecutor(_READERS, thread_name_prefix="omics-tables")

    def load(self, account: object, uri: str, version: ObjectVersion, storage: ObjectStorage) -> TableLoad:
        """Return the table of an object's content, which is being read if it is not known.

        :param account: which connection reads it: what one may read says nothing of another.
        """
        with self._lock:
            load = self._loads.get((account, uri))
            if load is not None and load.version.etag == version.etag and not self._is_to_be_tried_again(load):
                self._loads.move_to_end((account, uri))
                return load
            load = self._loads[account, uri] = TableLoad(version)
            self._loads.move_to_end((account, uri))
        self._executor.submit(self._read, load, uri, storage)
        return load

    def _read(self, load: TableLoad, uri: str, storage: ObjectStorage) -> None:
        try:
            if load.version.size > _MOST_BYTES:
                raise NotATableError(f"it has {load.version.size:,} bytes, more than are shown here")
            lines = _lines(load, lambda start: storage.read_range(uri, load.version, start, _RANGE_BYTES))
            table = SampleTable.read(lines)
        except BaseException as error:
            load.failed_at = self._clock()
            load.future.set_exception(error)
        else:
            load.future.set_result(table)
            self._make_room()

    def _is_to_be_tried_again(self, load: TableLoad) -> bool:
        return load.failed_at is not None and self._clock() - load.failed_at >= _RETRY_SECONDS

    def _make_room(self) -> None:
        with self._lock:
            kept = sum(load.size for load in self._loads.values())
            for key in list(self._loads)[:-1]:
                if kept <= self._most_bytes:
                    break
                if self._loads[key].future.done():
                    kept -= self._loads.pop(key).size


def _lines(load: TableLoad, read: Callable[[int], bytes]) -> Iterator[bytes]:
    rest = b""
    while load.done < load.version.size:
        part = read(load.done)
        if not part:
            break
        load.done += len(part)
        *lines, rest = (rest + part).split(b"\n")
        yield from filter(None, lines)
    if rest:
        yield rest
