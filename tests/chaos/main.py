"""Kills real Airflow processes at chosen calls, trial after trial, and prints what it came to; see --help."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from child_processes import ProcessError
from earlier_release import NoEarlierReleaseError
from harness import Harness
from plan import OUTAGE, make_plan, undisturbed
from points import POINTS, STACKS, points_of
from report import Report


def main() -> int:
    """Run the trials that the command line asks for; 0 if all went well, 1 if one did not, 2 if none could be run."""
    options = _options()
    seed = options.seed
    trials = make_plan(seed, options.trials, options.point or points_of(options.stack), outage=options.outage)
    if options.only:
        chosen = [trial for trial in trials if trial.number in options.only]
        trials = [*undisturbed(chosen), *chosen]
    started = time.monotonic()
    with ExitStack() as stack:
        kept = options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="omics-chaos-"))
        home = Path(kept).resolve()
        home.mkdir(parents=True, exist_ok=True)
        try:
            with Harness(trials, home, seed=seed, noise=options.noise, stack=options.stack) as harness:
                verdicts = harness.run(options.at_once, lambda line: print(line, file=sys.stderr, flush=True))
                report = Report(harness, verdicts, seed=seed, noise=options.noise, stack=options.stack)
        except (ProcessError, NoEarlierReleaseError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    report.seconds = time.monotonic() - started
    print(report.text())
    return 0 if report.is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="plans the same trials again (default: 1)")
    parser.add_argument("--stack", choices=STACKS, default=STACKS[0], help="executor of Airflow (default: local)")
    parser.add_argument("--noise", action="store_true", help="throttle, fail and drop calls as well")
    parser.add_argument("--point", action="append", choices=POINTS, help="only this crash point; can be repeated")
    parser.add_argument(
        "--outage", type=float, default=OUTAGE, metavar="SECONDS", help="how long HealthOmics is away (default: 30)"
    )
    parser.add_argument("--only", type=int, action="append", metavar="NUMBER", help="only this trial of the plan")
    parser.add_argument("--at-once", type=int, default=12, help="how many side by side (default: 12)")
    parser.add_argument("--keep", metavar="FOLDER", help="an empty folder for Airflow's database and logs, to be kept")
    options = parser.parse_args()
    unfit = set(options.point or ()) - set(points_of(options.stack))
    if unfit:
        parser.error(f"not on the stack {options.stack}: {', '.join(sorted(unfit))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
