"""Sums what several runs of pytest came to.

Each run leaves a JUnit file ``<run>.xml`` and its exit code in ``<run>.code``; what is not pytest leaves its exit code
alone. As a program it prints the sum of a folder, in one line.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

NO_TEST_FITS = 5
FAILURES = ("failures", "errors")


def sum_results(folder: Path) -> Counter[str]:
    """Return how many passed, failed and were skipped; a failure that no test is to blame for counts as one."""
    total: Counter[str] = Counter()
    for code_file in folder.glob("*.code"):
        code, counts = int(code_file.read_text()), _counts(code_file.with_suffix(".xml"))
        if code not in (0, NO_TEST_FITS) and not counts["failed"]:
            counts["failed"] = 1
        total += counts
    return total


def line(total: Counter[str]) -> str:
    """Return the line that a report ends with."""
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    return f"{total['passed']} passed, {total['failed']} failed{skipped}"


def _counts(report: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    try:
        suites = ElementTree.parse(report).getroot().iter("testsuite")
    except (OSError, ElementTree.ParseError):
        return counts
    for suite in suites:
        failed, skipped = sum(int(suite.get(name, 0)) for name in FAILURES), int(suite.get("skipped", 0))
        counts += Counter(failed=failed, skipped=skipped, passed=int(suite.get("tests", 0)) - failed - skipped)
    return counts


if __name__ == "__main__":
    print(line(sum_results(Path(sys.argv[1]))))
