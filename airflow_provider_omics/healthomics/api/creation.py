"""Creation under request ids: one for one thing, also where the service remembers an id of what was deleted since."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError

T = TypeVar("T")

CONFIRM_PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""Seconds before each poll of what the service has just named: it may be not found for a minute before it counts as
deleted, and what is being deleted has its name for about as long."""
LATE_PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each poll for what an earlier try may have made that died before its answer."""
MOST_GENERATIONS = 5
_CONFLICT = "ConflictException"


def request_ids(own: str | None, namespace: uuid.UUID, *parts: str) -> Iterator[str]:
    """Yield request ids; one that is not the first is for what was deleted since the one before was used.

    :param own: the only one, if the user has given it.
    :param parts: what tells apart what is created; never to be changed, since things were made with ids of them.
    """
    if own is not None:
        yield own
        return
    for generation in range(MOST_GENERATIONS):
        yield str(uuid.uuid5(namespace, "\x1f".join([*parts, str(generation)])))


@dataclass
class CreationPolls(Generic[T]):
    """Polls of one creation for what there is, which share a minute, and end when the task is killed.

    :param subject: what to call in the log what is to be made.
    :param pause: sleeps so many seconds, and may return True to say that the task was killed meanwhile.
    """

    subject: str
    log: Log
    pause: Callable[[float], object]
    _is_sent: bool = field(default=False, init=False)
    _left: float = field(init=False)

    def __post_init__(self) -> None:
        self._left = sum(CONFIRM_PAUSES)

    def find_late(self, find: Callable[[], T | None]) -> T | None:
        """Find what an earlier try may have made; None if the service does not show it for 15 seconds, or time is up.

        A service that remembers the request id has no need of it; how long it does is not documented.

        :param find: finds it, and has found none just now.
        :raises OmicsError: the task was killed meanwhile.
        """
        longest = min(sum(LATE_PAUSES), self._left)
        if longest:
            text = "HealthOmics shows no %s; an earlier try may have made one, so looking again for up to %.0f s"
            self.log.info("%s", entry(text, self.subject, longest))
        for seconds in LATE_PAUSES:
            if not self._sleep(seconds):
                break
            found = find()
            if found is not None:
                return found
        return None

    def until_settled(self, poll: Callable[[], tuple[list[T], str | None]]) -> list[T]:
        """Poll until nothing is on its way, or time is up, and return what the last poll has found.

        :param poll: returns what there is, and what is on its way, for the log; None if nothing is.
        :raises OmicsError: the task was killed meanwhile.
        """
        found, on_its_way = poll()
        for seconds in CONFIRM_PAUSES[1:]:
            if on_its_way is None or not self._left:
                break
            self.log.info("%s", entry(on_its_way))
            self._sleep(seconds)
            found, on_its_way = poll()
        return found

    def begin_sending(self) -> None:
        """Note that a call that makes it is sent now.

        :raises OmicsError: the task was killed, so that none may be.
        """
        self._pause(0.0)
        self._is_sent = True

    def _sleep(self, seconds: float) -> bool:
        """Sleep before another poll; return False, at once, if time is up."""
        if not self._left:
            return False
        slept = min(seconds, self._left)
        self._left -= slept
        self._pause(slept)
        return True

    def _pause(self, seconds: float) -> None:
        if self.pause(seconds) is not True:
            return
        if self._is_sent:
            raise OmicsError(f"The task was killed while it looked for {self.subject}, which it may have made")
        raise OmicsError(f"The task was killed before it made {self.subject}; nothing was sent")


@dataclass(frozen=True)
class IdempotentCreation(Generic[T]):
    """Creation of one thing, however often it is asked for.

    :param create: makes it with a request id, and returns what the service has named.
    :param find: finds what stands behind a conflict.
    :param read: reads what the service has named; None while it does not show it.
    :param is_gone: whether what was read is not what was asked for, but what an id was remembered of.
    :param subject: what to call it in the log before it is made.
    :param label: what to call it in the log once it has an id.
    :param pause: sleeps so many seconds, and may return True to say that the task was killed meanwhile.
    """

    create: Callable[[str], T]
    find: Callable[[], T | None]
    read: Callable[[T], T | None]
    is_gone: Callable[[T], bool]
    subject: str
    label: Callable[[T], str]
    log: Log
    pause: Callable[[float], object]

    def carry_out(self, ids: Iterable[str], gone: str) -> T:
        """Create it under the first request id that is not that of something gone.

        :param gone: what to say if all of them are.
        :raises OmicsServiceError: the service refused it, or conflicts with something that it does not show.
        """
        refused: OmicsServiceError | None = None
        for request_id in ids:
            try:
                made = self.create(request_id)
            except OmicsServiceError as error:
                if error.code != _CONFLICT:
                    raise
                refused, found = error, self._found_after(error)
            else:
                refused, found = None, self._confirmed(made)
            if found is not None:
                return found
        raise refused or OmicsError(gone)

    def _found_after(self, error: OmicsServiceError) -> T | None:
        """Return what stands behind a conflict; None if it is gone.

        :raises OmicsServiceError: the error, since the task was killed meanwhile.
        """

        def killed() -> T:
            raise error

        return self._shown(self.find, f"the one that {self.subject} conflicts with", killed)

    def _confirmed(self, made: T) -> T | None:
        """Return what the service has named, as it shows it; None if it is gone, since an id was remembered."""

        def read() -> T | None:
            try:
                return self.read(made)
            except OmicsServiceError as error:
                # It was made, which is what was asked; whoever waits for it will see it, or explain.
                self.log.warning("%s", entry("Cannot look at HealthOmics %s, and go on: %s", self.label(made), error))
                return made

        found = self._shown(read, self.label(made), lambda: made)
        return None if found is None or self.is_gone(found) else found

    def _shown(self, read: Callable[[], T | None], what: str, killed: Callable[[], T]) -> T | None:
        """Return what is read as soon as the service shows it; None if it does not for a minute.

        :param killed: what to return, or to raise, if the task is killed meanwhile.
        """
        for seconds in CONFIRM_PAUSES:
            if seconds and self.pause(seconds) is True:
                return killed()
            found = read()
            if found is not None:
                return found
            if not seconds:
                longest = sum(CONFIRM_PAUSES)
                self.log.info(
                    "%s", entry("HealthOmics does not show %s; looking again for up to %.0f s", what, longest)
                )
        return None
