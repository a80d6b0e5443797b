"""Kills real Airflow processes at chosen calls, trial after trial, and prints what it came to; see --help."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from child_processes import ProcessError
from harness import Harness
from plan import POINTS, make_plan, undisturbed
from report import Report


def main() -> int:
    """Run the trials that the command line asks for; 0 if all went well, 1 if one did not, 2 if none could be run."""
    options = _options()
    seed = options.seed
    trials = make_plan(seed, options.trials, tuple(options.point or POINTS))
    if options.only:
        chosen = [trial for trial in trials if trial.number in options.only]
        trials = [*undisturbed(chosen), *chosen]
    started = time.monotonic()
    with ExitStack() as stack:
        kept = options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="omics-chaos-"))
        home = Path(kept).resolve()
        home.mkdir(parents=True, exist_ok=True)
        try:
            with Harness(trials, home, seed=seed, noise=options.noise) as harness:
                verdicts = harness.run(options.at_once, lambda line: print(line, file=sys.stderr, flush=True))
                report = Report(harness, verdicts, seed=seed, noise=options.noise)
        except ProcessError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    report.seconds = time.monotonic() - started
    print(report.text())
    return 0 if report.is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="plans the same trials again (default: 1)")
    parser.add_argument("--noise", action="store_true", help="throttle, fail and drop calls as well")
    parser.add_argument("--point", action="append", choices=POINTS, help="only this crash point; can be repeated")
    parser.add_argument("--only", type=int, action="append", metavar="NUMBER", help="only this trial of the plan")
    parser.add_argument("--at-once", type=int, default=8, help="how many side by side (default: 8)")
    parser.add_argument("--keep", metavar="FOLDER", help="an empty folder for Airflow's database and logs, to be kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
