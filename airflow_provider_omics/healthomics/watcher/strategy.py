"""Strategy of polling: whether lists or single requests cost fewer calls, decided from what is known."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE

# A list that was long is tried again after so many seconds, for it may have become short.
_ESTIMATE_TTL = 1800.0
DENIAL_TTL = 600.0
"""For how many seconds a list that was refused is not asked for: it may have been by mistake, and be allowed soon."""

# A list that lags behind the counts is read again, but not for ever: a count may never come true.
_MAX_REREADS = 3
_BLIND_PERIODS = 4


@dataclass
class ListCostEstimate:
    """What it costs to read the lists of all runs that are active.

    :param fewest: pages that it takes at least, one for each list.
    """

    fewest: int
    _pages: int | None = field(default=None, init=False)
    _known_at: float = field(default=float("-inf"), init=False)
    _refused_at: float = field(default=float("-inf"), init=False)

    def is_cheaper(self, polls: int, now: float) -> bool:
        """Whether the lists cost fewer calls than so many single requests."""
        if now - self._refused_at < DENIAL_TTL:
            return False
        return polls > self.pages(now)

    def pages(self, now: float) -> int:
        """Return how many pages the next reading may take."""
        return self._pages if self._pages is not None and now - self._known_at < _ESTIMATE_TTL else self.fewest

    def page_limit(self, polls: int) -> int:
        """Return after how many pages a reading that is longer than expected is given up."""
        # By then it has cost as much again as the way not taken, and what was read is known all the same.
        return max(polls, self.fewest)

    def record(self, pages: int, now: float) -> None:
        """Note how many pages a reading took."""
        self._pages, self._known_at = pages, now

    def record_abandoned(self, pages: int, now: float) -> None:
        """Note that a reading was given up after so many pages."""
        self.record(2 * pages, now)

    def record_denied(self, now: float) -> None:
        """Note that the caller may not list runs, as where policies go by tags."""
        self._refused_at = now


@dataclass
class ListFreshness:
    """Whether a list of a batch has to be read again, going by what GetBatch counts.

    Counts of ends and of submissions only grow, so a list that was read since the last change shows nothing new. Both
    may lag, so a list that shows less than is counted is read again, and any list once in a while.
    """

    _counted: int = field(default=-1, init=False)
    _found: int = field(default=0, init=False)
    _rereads: int = field(default=0, init=False)
    _read_at: float = field(default=float("-inf"), init=False)

    def is_needed(self, counted: int, now: float, period: float) -> bool:
        """Whether to read, before anything is asked.

        :param counted: what GetBatch counts now.
        :param period: seconds between two polls.
        """
        if counted != self._counted:
            return True
        is_behind = self._found < counted and self._rereads < _MAX_REREADS
        return is_behind or now - self._read_at >= _BLIND_PERIODS * period

    def record(self, counted: int, found: int, now: float) -> None:
        """Note a reading.

        :param counted: what GetBatch had counted before it.
        :param found: how many of them the list showed.
        """
        self._rereads = self._rereads + 1 if counted == self._counted else 0
        self._counted, self._found, self._read_at = counted, found, now


def page_count(items: int) -> int:
    """Return how many pages a list of so many items has."""
    return max(1, -(-items // PAGE_SIZE))
