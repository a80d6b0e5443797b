"""What can be struck, and at which call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Moment(StrEnum):
    """When it strikes, seen from the call at which it does."""

    BEFORE = "before the effect"
    UNANSWERED = "after the effect, before the answer"
    ANSWERED = "after the answer"


class Victim(StrEnum):
    """What is struck, and how; who is killed gets SIGKILL."""

    TASK = "task killed"
    WORKER = "worker killed"
    UNREACHABLE = "HealthOmics out of reach"
    REFUSING = "credentials refused"
    UPGRADE = "provider upgraded"
    TRIGGERERS_FIRST = "provider upgraded, triggerers first"
    TRIGGERERS_LAST = "provider upgraded, triggerers last"
    TRIGGERER = "triggerer killed"
    SCHEDULER = "scheduler killed"
    BOTH = "scheduler and triggerer killed"
    ONE_TRIGGERER = "one of two triggerers killed"
    CELERY_WARM = "Celery worker stopped (SIGTERM)"
    CELERY_COLD = "Celery worker stopped (SIGQUIT)"
    CELERY_LOST = "Celery worker killed"
    DATABASE = "PostgreSQL restarted"

    @property
    def is_outage(self) -> bool:
        """Whether no process is struck, but all calls of a trial are, for a time."""
        return self in (Victim.UNREACHABLE, Victim.REFUSING)

    @property
    def is_shared(self) -> bool:
        """Whether it is felt by every trial that runs."""
        return not self.is_outage and self not in (Victim.TASK, Victim.WORKER)

    @property
    def is_upgrade(self) -> bool:
        """Whether Airflow has to run on an earlier release before it."""
        return self in (Victim.UPGRADE, Victim.TRIGGERERS_FIRST, Victim.TRIGGERERS_LAST)

    @property
    def is_one_of_several(self) -> bool:
        """Whether only the process dies that holds the call; where trials are held by several, one after the other."""
        return self in (Victim.ONE_TRIGGERER, Victim.CELERY_WARM, Victim.CELERY_COLD, Victim.CELERY_LOST)


class Caller(StrEnum):
    """Who makes a call."""

    TASK = "task"
    TRIGGERER = "triggerer"


@dataclass(frozen=True)
class Strike:
    """One kill, or another misfortune.

    :param operations: any call of these, such as ``StartRun`` or ``s3:PUT``; empty for any call of a task. ``RESUME``
        is no call: it is the moment at which a deferred task comes back to a worker.
    :param caller: only calls that it makes; None for anybody's.
    :param nth: which of the matching calls, 1 for the first.
    :param generation: only calls that start the job of this generation.
    :param ended: only calls that look at a job that has ended.
    :param text: only calls of S3 whose path has this text.
    :param delay: seconds from the answer until the kill, after the answer.
    :param seconds: how long an outage lasts.
    :param code: error code with which calls are refused meanwhile.
    """

    operations: tuple[str, ...]
    moment: Moment
    victim: Victim
    caller: Caller | None = Caller.TASK
    nth: int = 1
    generation: int | None = None
    ended: bool = False
    text: str = ""
    delay: float = 0.0
    seconds: float = 0.0
    code: str = ""

    def __str__(self) -> str:
        which = f" no. {self.nth}" if self.nth > 1 else ""
        details = [f"generation {self.generation}"] if self.generation is not None else []
        details += ["of an ended job"] if self.ended else []
        details += [self.text] if self.text else []
        details += [f"for {self.seconds:g} s"] if self.seconds else []
        details += [self.code] if self.code else []
        operations = "/".join(self.operations) or "any call"
        told = f" ({', '.join(details)})" if details else ""
        return f"{self.victim} at {operations}{which}{told}, {self.moment}"


RESUME = ("resume",)
