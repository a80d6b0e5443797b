"""Which trials there are: what each runs, and where which process is killed. The same seed plans the same trials."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

KINDS = ("run", "batch")
MODES = ("worker", "deferred")
READINGS = ("first_answer", "conflict", "forgotten")


class Moment(StrEnum):
    """When a process dies, seen from the call at which it does."""

    BEFORE = "before the effect"
    UNANSWERED = "after the effect, before the answer"
    ANSWERED = "after the answer"


class Victim(StrEnum):
    """What is killed (SIGKILL)."""

    TASK = "task"
    WORKER = "worker"
    TRIGGERER = "triggerer"
    SCHEDULER = "scheduler"

    @property
    def is_shared(self) -> bool:
        """Whether its death is felt by every trial that runs."""
        return self in (Victim.TRIGGERER, Victim.SCHEDULER)


@dataclass(frozen=True)
class Strike:
    """One kill.

    :param operations: any call of these, such as ``StartRun`` or ``s3:PUT``; empty for any call of a task. ``RESUME``
        is no call: it is the moment at which a deferred task comes back to a worker.
    :param nth: which of the matching calls, 1 for the first.
    :param generation: only calls that start the job of this generation.
    :param ended: only calls that look at a job that has ended.
    :param text: only calls of S3 whose path has this text.
    :param delay: seconds from the answer until the kill, after the answer.
    """

    operations: tuple[str, ...]
    moment: Moment
    victim: Victim
    nth: int = 1
    generation: int | None = None
    ended: bool = False
    text: str = ""
    delay: float = 0.0

    def __str__(self) -> str:
        which = f" no. {self.nth}" if self.nth > 1 else ""
        details = [f"generation {self.generation}"] if self.generation is not None else []
        details += ["of an ended job"] if self.ended else []
        details += [self.text] if self.text else []
        operations = "/".join(self.operations) or "any call"
        told = f" ({', '.join(details)})" if details else ""
        return f"{self.victim} killed at {operations}{which}{told}, {self.moment}"


@dataclass(frozen=True)
class Trial:
    """One DAG run, and what is done to it.

    :param number: its place in the plan; with the plan's seed it names the trial.
    :param shape: ``plain``, ``mapped``, or ``flaky`` where the first job ends badly and is done again.
    :param reading: what the server answers to a repeated request id.
    :param strikes: one after the other.
    :param seconds: how long each run takes.
    """

    number: int
    point: str
    kind: str
    mode: str
    shape: str
    reading: str
    strikes: tuple[Strike, ...]
    seconds: float

    @property
    def name(self) -> str:
        """The id of its DAG run."""
        return f"trial-{self.number:04d}"

    @property
    def dag_id(self) -> str:
        return f"chaos_{self.kind}_{self.mode}_{self.shape}"

    @property
    def shared_victim(self) -> Victim | None:
        """Whose death it shares with the trials that run beside it."""
        return next((strike.victim for strike in self.strikes if strike.victim.is_shared), None)

    @property
    def connection(self) -> str:
        """Its own Airflow connection, and its access key."""
        return self.name.replace("-", "_")

    def __str__(self) -> str:
        strikes = "; ".join(map(str, self.strikes)) or "undisturbed"
        return f"{self.name} {self.point}: {self.dag_id}, {self.reading}, {self.seconds} s a run: {strikes}"


RESUME = ("resume",)
UNDISTURBED = "undisturbed"
POINTS = (
    "before the call",
    "after the call, before the answer",
    "after the answer, before it is kept",
    "while waiting",
    "after the job, before the task's end",
    "during redrive",
    "scheduler killed",
    "random",
)

_START = {"run": ("StartRun",), "batch": ("StartRunBatch",)}
_LOOK = {"run": ("GetRun", "ListRuns"), "batch": ("GetBatch",)}
_MOMENTS = {
    "before the call": Moment.BEFORE,
    "after the call, before the answer": Moment.UNANSWERED,
    "after the answer, before it is kept": Moment.ANSWERED,
}
# What a batch's task does once the batch has ended.
_GATHERING = (
    (("ListRunsInBatch",), ""),
    (("ListRuns",), ""),
    (("s3:GET",), "cohort-"),
    (("s3:PUT",), "results.csv"),
    (("s3:PUT",), "results.jsonl"),
)


def make_plan(seed: int, count: int, points: tuple[str, ...] = POINTS) -> list[Trial]:
    """Plan trials: every point with every kind, mode and reading in turn, and what else there is by chance.

    The undisturbed trials that results are compared with come first; they are beyond ``count``.
    """
    dice = random.Random(seed)
    columns = [[(point, *rest) for rest in itertools.product(KINDS, MODES, READINGS)] for point in points]
    for column in columns:
        dice.shuffle(column)
    # Point after point, so that a short plan has each of them.
    wanted = itertools.cycle(itertools.chain.from_iterable(zip(*columns, strict=True)))
    trials = [_trial(seed, number, *next(wanted)) for number in range(1, count + 1)]
    return [*undisturbed(trials), *trials]


def undisturbed(trials: Sequence[Trial]) -> Iterator[Trial]:
    """Yield one trial without a kill for each kind and shape that there is."""
    for number, (kind, shape) in enumerate(sorted({(trial.kind, trial.shape) for trial in trials})):
        yield Trial(9000 + number, UNDISTURBED, kind, "worker", shape, "first_answer", (), 1.0)


def _trial(seed: int, number: int, point: str, kind: str, mode: str, reading: str) -> Trial:
    dice = random.Random(f"{seed}:{number}")
    shape = "flaky" if point == "during redrive" else dice.choices(("plain", "mapped", "flaky"), (6, 3, 1))[0]
    strikes = tuple(_strikes(dice, point, kind, mode, shape))
    # Trials that die together wait for the last of them.
    shortest = 12.0 if any(strike.victim.is_shared for strike in strikes) else 3.0
    return Trial(number, point, kind, mode, shape, reading, strikes, round(dice.uniform(shortest, shortest + 6.0), 1))


def _strikes(dice: random.Random, point: str, kind: str, mode: str, shape: str) -> Iterator[Strike]:
    victim = dice.choices((Victim.TASK, Victim.WORKER), (3, 1))[0]
    delay = dice.uniform(0.0, 0.15)
    if point in _MOMENTS:
        yield Strike(_START[kind], _MOMENTS[point], victim, generation=0, delay=delay)
    elif point == "while waiting":
        waiter = victim if mode == "worker" else Victim.TRIGGERER
        yield Strike(_LOOK[kind], Moment.BEFORE, waiter, nth=dice.randint(1, 3))
    elif point == "after the job, before the task's end":
        yield _after_the_job(dice, kind, mode, victim)
    elif point == "during redrive":
        yield Strike(_START[kind], dice.choice(list(Moment)), victim, generation=1, delay=delay)
    elif point == "scheduler killed":
        yield _with_the_scheduler(dice, kind, mode)
    else:
        # A deferred run's task makes few calls of its own.
        most = 2 if (kind, mode) == ("run", "deferred") else 7
        for _ in range(dice.randint(2, 4)):
            yield Strike((), dice.choice(list(Moment)), victim, nth=dice.randint(1, most), delay=delay)


def _after_the_job(dice: random.Random, kind: str, mode: str, victim: Victim) -> Strike:
    moment = dice.choice((Moment.BEFORE, Moment.UNANSWERED))
    if mode == "deferred" and dice.random() < (0.5 if kind == "run" else 0.2):
        return Strike(RESUME, Moment.ANSWERED, victim, delay=dice.uniform(0.0, 0.3))
    if kind == "batch" and dice.random() < 0.75:
        operations, text = dice.choice(_GATHERING)
        return Strike(operations, moment, victim, text=text)
    return Strike(_LOOK[kind], moment, victim if mode == "worker" else Victim.TRIGGERER, ended=True)


def _with_the_scheduler(dice: random.Random, kind: str, mode: str) -> Strike:
    if mode == "worker" and dice.random() < 0.5:
        return Strike(_LOOK[kind], Moment.BEFORE, Victim.SCHEDULER, nth=dice.randint(1, 2))
    return Strike(_START[kind], dice.choice((Moment.BEFORE, Moment.UNANSWERED)), Victim.SCHEDULER)
