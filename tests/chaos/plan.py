"""Which trials there are: what each runs, and where what is struck. The same seed plans the same trials."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from points import MODES, POINTS, Chance, points_of
from strikes import Strike, Victim

KINDS = ("run", "batch")
READINGS = ("first_answer", "conflict", "forgotten")
UNDISTURBED = "undisturbed"
OUTAGE = 30.0


@dataclass(frozen=True)
class Trial:
    """One DAG run, and what is done to it.

    :param number: its place in the plan; with the plan's seed it names the trial.
    :param shape: ``plain``, ``mapped``, ``flaky`` where the first job ends badly and is done again, or ``once`` where
        the task has no retry.
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
        """What it shares with the trials that run beside it."""
        return next((strike.victim for strike in self.strikes if strike.victim.is_shared), None)

    @property
    def outage(self) -> float:
        """For how many seconds its calls meet with an outage."""
        return sum(strike.seconds for strike in self.strikes)

    @property
    def has_outage(self) -> bool:
        return any(strike.victim.is_outage for strike in self.strikes)

    @property
    def connection(self) -> str:
        """Its own Airflow connection, and its access key."""
        return self.name.replace("-", "_")

    def __str__(self) -> str:
        strikes = "; ".join(map(str, self.strikes)) or "undisturbed"
        return f"{self.name} {self.point}: {self.dag_id}, {self.reading}, {self.seconds} s a run: {strikes}"


def make_plan(
    seed: int,
    count: int,
    points: Sequence[str] = points_of("local"),
    *,
    outage: float = OUTAGE,
) -> list[Trial]:
    """Plan trials: every point with every kind, mode and reading in turn, and what else there is by chance.

    The undisturbed trials that results are compared with come first; they are beyond ``count``.

    :param points: names of the crash points.
    :param outage: how long HealthOmics is away where it is, in seconds.
    """
    dice = random.Random(seed)
    columns = [[(point, *rest) for rest in itertools.product(KINDS, POINTS[point].modes, READINGS)] for point in points]
    for column in columns:
        dice.shuffle(column)
    # Point after point, so that a short plan has each of them.
    longest = max(map(len, columns))
    rows = zip(*(itertools.islice(itertools.cycle(column), longest) for column in columns), strict=True)
    wanted = itertools.cycle(list(itertools.chain.from_iterable(rows)))
    trials = [_trial(seed, number, *next(wanted), outage) for number in range(1, count + 1)]
    return [*undisturbed(trials), *trials]


def undisturbed(trials: Sequence[Trial]) -> Iterator[Trial]:
    """Yield one trial without a kill for each kind and shape that there is."""
    for number, (kind, shape) in enumerate(sorted({(trial.kind, trial.shape) for trial in trials})):
        yield Trial(9000 + number, UNDISTURBED, kind, MODES[0], shape, "first_answer", (), 1.0)


def _trial(seed: int, number: int, name: str, kind: str, mode: str, reading: str, outage: float) -> Trial:
    dice = random.Random(f"{seed}:{number}")
    point = POINTS[name]
    shape = point.shape or dice.choices(("plain", "mapped", "flaky"), (6, 3, 1))[0]
    strikes = tuple(point.strikes(Chance(dice, kind, mode, outage)))
    shortest, longest = 3.0, 9.0
    if any(strike.victim.is_shared for strike in strikes):
        # Trials that are struck together wait for the last of them.
        shortest, longest = 20.0, 28.0
    elif any(strike.victim.is_outage for strike in strikes):
        # Jobs end before the outage does, and after it.
        shortest, longest = 5.0 + outage / 2, 5.0 + outage + min(outage / 2, 60.0)
    return Trial(number, name, kind, mode, shape, reading, strikes, round(dice.uniform(shortest, longest), 1))
