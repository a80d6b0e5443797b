"""What it costs to watch many runs and samples at once, beside the amazon provider's waiter trigger.

    python benchmarks/watching.py [compare] [ends] [many] [assume-role] [day] [triggerer] [--scale 1.0]

Without names all parts are run. The figures are printed as tables in Markdown; the program ends with 1 if one of them
breaks its bound. Needs what ``scripts/test`` installs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

# What is logged at each poll is no part of what is measured; it would cost the amazon provider more.
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

from watching_parts.compare import compare, ends
from watching_parts.day import day
from watching_parts.many import many
from watching_parts.triggerer import triggerer

PARTS: dict[str, Callable[[float], bool]] = {
    "compare": lambda scale: compare(round(1_000 * scale)),
    "ends": lambda scale: ends(round(1_000 * scale)),
    "many": lambda scale: many(round(10_000 * scale)),
    "assume-role": lambda scale: many(round(10_000 * scale), assume_role=True),
    "day": lambda scale: day(round(2_000 * scale)),
    "triggerer": lambda scale: triggerer(round(1_000 * scale)),
}


def main() -> int:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--scale", type=float, default=1.0, help="of the full number of runs; the bounds hold for 1")
    given = parser.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}")
    good = True
    for name, part in PARTS.items():
        if not given.parts or name in given.parts:
            print(f"\n## {name}", flush=True)
            good = part(given.scale) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
