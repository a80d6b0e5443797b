"""The table of all trials, and the story of each that went wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from harness import Harness
from plan import READINGS, Trial
from verdict import Verdict, compare, task_log

LOG_LINES = 120


class Report:
    """What trials came to.

    :param harness: has run them, and still runs.
    :ivar seconds: how long it took.
    """

    def __init__(self, harness: Harness, verdicts: Sequence[Verdict], *, seed: int, noise: bool, stack: str) -> None:
        compare(verdicts)
        self._verdicts = verdicts
        self._seed, self._noise, self._stack = seed, noise, stack
        self._revived = len(harness.caretaker.revived)
        self.seconds = 0.0
        self._stories = {
            verdict.trial.name: _told(harness, verdict)
            for verdict in verdicts
            if verdict.is_missed or not verdict.is_good
        }

    def verdict_of(self, trial: Trial) -> Verdict:
        """Return what became of a trial."""
        return next(verdict for verdict in self._verdicts if verdict.trial == trial)

    def story_of(self, verdict: Verdict) -> str:
        """Return what happened in a trial that went wrong."""
        return self._stories.get(verdict.trial.name, "")

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong."""
        return all(verdict.is_good for verdict in self._verdicts)

    def text(self) -> str:
        """Return stories and table."""
        return "\n".join([*self._stories.values(), *self._table()])

    def _table(self) -> Iterator[str]:
        groups: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
        for verdict in self._verdicts:
            groups[verdict.trial.point, verdict.trial.kind, verdict.trial.mode].append(verdict)
        yield (
            f"{'crash point':38} {'job':5} {'mode':8} {'trials':>6} {'/'.join(READINGS):>30} {'struck':>6}"
            f" {'missed':>6} {'duplicates':>10} {'left active':>11} {'wrong':>5}"
        )
        for (point, kind, mode), verdicts in sorted(groups.items()):
            yield f"{point:38} {kind:5} {mode:8} {_numbers(verdicts)}"
        yield f"{'all':38} {'':5} {'':8} {_numbers(self._verdicts)}"
        noise = "with" if self._noise else "without"
        yield f"stack {self._stack}, seed {self._seed}, {noise} noise, {self.seconds / 60:.1f} minutes"
        if self._revived:
            yield f"Airflow's own processes ended by themselves {self._revived} times and were started again"


def _numbers(verdicts: Sequence[Verdict]) -> str:
    readings = "/".join(str(sum(one.trial.reading == reading for one in verdicts)) for reading in READINGS)
    counted = [
        sum(one.kills for one in verdicts),
        sum(one.is_missed for one in verdicts),
        sum(bool(one.duplicates) for one in verdicts),
        sum(bool(one.active) for one in verdicts),
        sum(bool(one.wrong) for one in verdicts),
    ]
    return "{:6} {:>30} {:6} {:6} {:10} {:11} {:5}".format(len(verdicts), readings, *counted)


def _told(harness: Harness, verdict: Verdict) -> str:
    watch = harness.watches[verdict.trial.name]
    log = task_log(watch, harness.cluster.records).splitlines()[-LOG_LINES:]
    return "\n".join(["", f"=== {verdict.line()}", verdict.story, "--- end of the task's log", *log, ""])
