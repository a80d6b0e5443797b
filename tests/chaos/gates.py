"""Where trials meet that are struck together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

#: How long a wave waits for its last trial before it strikes without it: less than a client waits for an answer.
PATIENCE = 600.0
#: How long the clients of trials wait for an answer.
READ_TIMEOUT = 900


@dataclass
class Gate:
    """Holds the calls of trials until all have come; who comes last, or no longer waits, strikes.

    :param expected: how many trials come.
    :param strike: strikes those of one group.
    :param recover: called once those of the group have been let go, before the next group is struck.
    """

    expected: int
    strike: Callable[[str], None]
    recover: Callable[[str], None]
    arrived: int = 0
    _is_open: bool = False
    _striking: threading.Thread | None = None
    _groups: list[str] = field(default_factory=list)
    _struck: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def pass_through(self, group: str) -> bool:
        """Wait for the others, and until the group was struck; False for who comes too late."""
        with self._changed:
            if self._is_open:
                return False
            self.arrived += 1
            if group not in self._groups:
                self._groups.append(group)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_open or self.arrived >= self.expected, PATIENCE)
            if not self._is_open:
                self._is_open = True
                self._striking = threading.Thread(target=self._strike_all, name="strikes", daemon=True)
                self._striking.start()
            self._changed.wait_for(lambda: group in self._struck)
            return True

    def leave(self) -> None:
        """Say that a trial has ended without being struck."""
        with self._changed:
            self.expected -= 1
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until all groups have been struck and have recovered, if any is."""
        if self._striking is not None:
            self._striking.join()

    def _strike_all(self) -> None:
        for group in self._groups:
            self.strike(group)
            with self._changed:
                self._struck.add(group)
                self._changed.notify_all()
            self.recover(group)
