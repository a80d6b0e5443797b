"""What comes of a poll, and how waiting ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic

from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.former_names import with_former_names
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.polling.poll import SnapshotT


class StopReason(StrEnum):
    """Why waiting ended.

    ``ERROR`` is an error before the first answer that will not pass, ``UNREACHABLE`` one that might have passed but did
    not within the error budget.
    """

    ENDED = "ended"
    ATTEMPTS = "attempts"
    DEADLINE = "deadline"
    ERROR = "error"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"


@with_former_names({"view": "snapshot"})
@dataclass(frozen=True)
class WaitResult(Generic[SnapshotT]):
    """The end of waiting.

    :param snapshot: the last snapshot.
    :param reason: for the user, why nobody waits any more; empty when what was waited for has come.
    :param error_code: code of the error that ended the wait, or kept what had to be cancelled then from being
        cancelled, if one did.
    """

    why: StopReason
    snapshot: SnapshotT
    reason: str = ""
    error_code: str | None = None

    def to_payload(self) -> dict[str, Any]:
        """Return the end as a trigger event's payload."""
        succeeded = self.why is StopReason.ENDED and self.snapshot.phase in (Phase.SUCCEEDED, Phase.SETTLED)
        return {
            "status": "success" if succeeded else "error",
            "why": self.why.value,
            self.snapshot.KIND: self.snapshot.to_payload(),
            "message": self.reason,
            "error_code": self.error_code,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any] | None, kind: type[SnapshotT]) -> WaitResult[SnapshotT]:
        """Read what :meth:`to_payload` wrote, in this release or another.

        :param kind: what was waited for.
        :raises OmicsError: there is nothing to read, since the trigger ended without an event.
        """
        if payload is None:
            raise OmicsError("The trigger ended without an event; see the triggerer's log")
        return WaitResult(
            why=StopReason(payload["why"]),
            snapshot=kind.from_payload(payload[kind.KIND]),
            reason=payload.get("message") or "",
            error_code=payload.get("error_code"),
        )


@dataclass(frozen=True)
class PollAgain:
    """Decision to poll again after so many seconds.

    :param note: what to log now; None if nothing changed.
    :param alarming: whether the note is a warning.
    """

    seconds: float
    note: str | None = None
    alarming: bool = False


class OmicsWaitError(OmicsError):
    """Waiting stopped before what was waited for had come; the run or the batch may go on.

    :ivar end: the end of waiting, with the run, batch or sample as last seen.
    """

    def __init__(self, end: WaitResult[Any]) -> None:
        super().__init__(end)
        self.end = end

    @property
    def run_id(self) -> str | None:
        """Id of the run, where it was a run."""
        return getattr(self.end.snapshot, "run_id", None)

    @property
    def batch_id(self) -> str | None:
        """Id of the batch, where it was a batch or a sample of one."""
        return getattr(self.end.snapshot, "batch_id", None)

    @property
    def code(self) -> str | None:
        """Code of the error that ended the wait, such as ``AccessDeniedException``, if one did."""
        return self.end.error_code

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        text = f"Stopped waiting for HealthOmics {self.end.snapshot.label}: {self.end.reason}"
        limit = _LIMITS.get(self.end.why)
        if limit is None:
            return text
        poll = f"see what takes so long with: {self.end.snapshot.command}"
        return f"{text.rstrip('.')}.\nWhat to do: raise {limit}, or {poll}"


# By the value of the reason for which waiting ended.
_LIMITS = {
    "attempts": "waiter_max_attempts",
    "deadline": "execution_timeout, or the timeout of the sensor",
}
