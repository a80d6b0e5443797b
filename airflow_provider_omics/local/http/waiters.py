"""What the waiters of SDKs are shown, to which a run that has been RUNNING between two of their calls never was."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

# botocore lists in its user agent what it is used for, such as m/E,B,Z; B is a waiter.
_WAITER = re.compile(r"\bm/(?:[^\s,]+,)*B(?:[\s,]|$)")
_PAST_RUNNING = ("STOPPING", "COMPLETED")
# A waiter asks until it was shown the end, so that those that nobody has asked for since are of no use.
_MOST_SHOWN = 10_000


class Waiters:
    """Shows what has been RUNNING once as RUNNING to a waiter, before it shows it to waiters as it is."""

    def __init__(self) -> None:
        self._shown: OrderedDict[str, None] = OrderedDict()
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
            self._shown[key] = None
            self._shown.move_to_end(key)
            if len(self._shown) > _MOST_SHOWN:
                self._shown.popitem(last=False)
        if is_new and answer["status"] in _PAST_RUNNING:
            return {**answer, "status": "RUNNING", "stopTime": None}
        return answer
