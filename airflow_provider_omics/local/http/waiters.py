"""What the waiters of SDKs are shown, to which a run that has been RUNNING between two of their calls never was."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

# botocore lists in its user agent what it is used for, such as m/E,B,Z; B is a waiter.
_WAITER = re.compile(r"\bm/(?:[^\s,]+,)*B(?:[\s,]|$)")
_PAST_RUNNING = ("STOPPING", "COMPLETED")


class Waiters:
    """Shows what has been RUNNING once as RUNNING to a waiter, before it shows it to waiters as it is."""

    def __init__(self) -> None:
        self._shown: set[str] = set()
        self._lock = threading.Lock()

    def show(self, user_agent: str, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the client is shown of a run or task.

        :param user_agent: of the request; only what botocore's waiters send is answered otherwise.
        :param answer: members of GetRun or GetRunTask as they are.
        """
        if not _WAITER.search(user_agent) or answer["status"] not in ("RUNNING", *_PAST_RUNNING):
            return answer
        key = str(answer.get("uuid") or answer.get("taskId"))
        with self._lock:
            is_new = key not in self._shown
            self._shown.add(key)
        if is_new and answer["status"] in _PAST_RUNNING:
            return {**answer, "status": "RUNNING", "stopTime": None}
        return answer
