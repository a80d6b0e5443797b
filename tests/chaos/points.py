"""The crash points: what is struck at each, and what of it is left to chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_stacks import STACKS as DEPLOYMENTS
from strikes import RESUME, Caller, Moment, Strike, Victim

MODES = ("worker", "deferred")
STACKS = tuple(DEPLOYMENTS)
START = {"run": ("StartRun",), "batch": ("StartRunBatch",)}
LOOK = {"run": ("GetRun", "ListRuns"), "batch": ("GetBatch",)}
# What a batch's task does once the batch has ended.
GATHERING = (
    (("ListRunsInBatch",), ""),
    (("ListRuns",), ""),
    (("s3:GET",), "cohort-"),
    (("s3:PUT",), "results.csv"),
    (("s3:PUT",), "results.jsonl"),
)
REFUSALS = ("AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException")


@dataclass(frozen=True)
class Chance:
    """What a point makes its strikes of.

    :param outage: how long HealthOmics is away, in seconds.
    """

    dice: random.Random
    kind: str
    mode: str
    outage: float

    @property
    def victim(self) -> Victim:
        """The task alone, or with its worker."""
        return self.dice.choices((Victim.TASK, Victim.WORKER), (3, 1))[0]

    @property
    def waiter(self) -> Caller:
        """Who waits for the job."""
        return Caller.TASK if self.mode == "worker" else Caller.TRIGGERER

    def delay(self) -> float:
        return self.dice.uniform(0.0, 0.15)

    def look(self, victim: Victim, **details: float) -> Strike:
        """Strike while the job is waited for."""
        nth = self.dice.randint(1, 3)
        return Strike(LOOK[self.kind], Moment.BEFORE, victim, self.waiter, nth=nth, **details)


Strikes = Callable[[Chance], Iterator[Strike]]


@dataclass(frozen=True)
class Point:
    """One crash point.

    :param shape: of its trials; None if it is left to chance.
    :param stacks: where it can be tried.
    """

    name: str
    strikes: Strikes
    shape: str | None = None
    modes: tuple[str, ...] = MODES
    stacks: tuple[str, ...] = STACKS


def _at_start(moment: Moment) -> Strikes:
    def strikes(chance: Chance) -> Iterator[Strike]:
        yield Strike(START[chance.kind], moment, chance.victim, generation=0, delay=chance.delay())

    return strikes


def _while_waiting(chance: Chance) -> Iterator[Strike]:
    yield chance.look(chance.victim if chance.mode == "worker" else Victim.TRIGGERER)


def _after_the_job(chance: Chance) -> Iterator[Strike]:
    dice, kind, victim = chance.dice, chance.kind, chance.victim
    moment = dice.choice((Moment.BEFORE, Moment.UNANSWERED))
    if chance.mode == "deferred" and dice.random() < (0.5 if kind == "run" else 0.2):
        yield Strike(RESUME, Moment.ANSWERED, victim, delay=dice.uniform(0.0, 0.3))
    elif kind == "batch" and dice.random() < 0.75:
        operations, text = dice.choice(GATHERING)
        yield Strike(operations, moment, victim, text=text)
    else:
        waiter = victim if chance.mode == "worker" else Victim.TRIGGERER
        yield Strike(LOOK[kind], moment, waiter, chance.waiter, ended=True)


def _during_redrive(chance: Chance) -> Iterator[Strike]:
    moment = chance.dice.choice(list(Moment))
    yield Strike(START[chance.kind], moment, chance.victim, generation=1, delay=chance.delay())


def _anywhere(chance: Chance) -> Iterator[Strike]:
    dice, victim, delay = chance.dice, chance.victim, chance.delay()
    # A deferred run's task makes few calls of its own.
    most = 2 if (chance.kind, chance.mode) == ("run", "deferred") else 7
    for _ in range(dice.randint(2, 4)):
        yield Strike((), dice.choice(list(Moment)), victim, nth=dice.randint(1, most), delay=delay)


def _while_starting(victim: Victim) -> Strikes:
    def strikes(chance: Chance) -> Iterator[Strike]:
        yield Strike(START[chance.kind], chance.dice.choice((Moment.BEFORE, Moment.UNANSWERED)), victim)

    return strikes


def _while_it_waits(*victims: Victim) -> Strikes:
    def strikes(chance: Chance) -> Iterator[Strike]:
        yield chance.look(chance.dice.choice(victims))

    return strikes


def _in_a_worker(victim: Victim) -> Strikes:
    """Strike a task that waits in a worker, or starts what it will wait for deferred."""

    def strikes(chance: Chance) -> Iterator[Strike]:
        starting = chance.mode == "deferred" or chance.dice.random() < 0.3
        yield from _while_starting(victim)(chance) if starting else _while_it_waits(victim)(chance)

    return strikes


def _with_the_scheduler(chance: Chance) -> Iterator[Strike]:
    waits = chance.mode == "worker" and chance.dice.random() < 0.5
    yield from (_while_it_waits if waits else _while_starting)(Victim.SCHEDULER)(chance)


def _with_both(chance: Chance) -> Iterator[Strike]:
    waits = chance.dice.random() < 0.7
    yield from (_while_it_waits if waits else _while_starting)(Victim.BOTH)(chance)


def _unreachable(chance: Chance) -> Iterator[Strike]:
    yield chance.look(Victim.UNREACHABLE, seconds=chance.outage)


def _refused(chance: Chance) -> Iterator[Strike]:
    nth, code = chance.dice.randint(2, 4), chance.dice.choice(REFUSALS)
    yield Strike(
        LOOK[chance.kind], Moment.BEFORE, Victim.REFUSING, chance.waiter, nth=nth, seconds=chance.outage, code=code
    )


#: By name. An outage has to be survived without a retry. A triggerer of 0.1.0 cannot read what a task of this release
#: stores when it waits anew, as the second job of a flaky one would.
POINTS = {
    point.name: point
    for point in (
        Point("before the call", _at_start(Moment.BEFORE)),
        Point("after the call, before the answer", _at_start(Moment.UNANSWERED)),
        Point("after the answer, before it is kept", _at_start(Moment.ANSWERED)),
        Point("while waiting", _while_waiting),
        Point("after the job, before the task's end", _after_the_job),
        Point("during redrive", _during_redrive, shape="flaky"),
        Point("scheduler killed", _with_the_scheduler),
        Point("random", _anywhere),
        Point("scheduler and triggerer killed", _with_both),
        Point("PostgreSQL restarted while waiting", _while_it_waits(Victim.DATABASE)),
        Point("PostgreSQL restarted while starting", _while_starting(Victim.DATABASE)),
        Point("HealthOmics out of reach", _unreachable, shape="once"),
        Point("credentials refused", _refused, shape="once"),
        Point("provider upgraded", _while_it_waits(Victim.UPGRADE, Victim.TRIGGERERS_FIRST)),
        Point("provider upgraded, triggerers last", _while_it_waits(Victim.TRIGGERERS_LAST), shape="plain"),
        Point(
            "one of two triggerers killed",
            _while_it_waits(Victim.ONE_TRIGGERER),
            modes=("deferred",),
            stacks=("celery",),
        ),
        Point("Celery worker SIGTERM", _in_a_worker(Victim.CELERY_WARM), stacks=("celery",)),
        Point("Celery worker SIGQUIT", _in_a_worker(Victim.CELERY_COLD), stacks=("celery",)),
        Point("Celery worker SIGKILL", _in_a_worker(Victim.CELERY_LOST), stacks=("celery",)),
    )
}


def points_of(stack: str) -> tuple[str, ...]:
    """Return the names of the points that can be tried on a stack."""
    return tuple(name for name, point in POINTS.items() if stack in point.stacks)
