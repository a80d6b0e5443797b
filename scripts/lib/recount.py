"""Counts FASTQ files anew, to check what the workflow measured; it shares no code with it and needs only Python."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

PHRED_OFFSET = 33
GZIP_BEGINS = bytes([0x1F, 0x8B])


def recount(files: Iterable[Path]) -> dict[str, float]:
    """Return the figures of all reads of some files together, by the names that the workflow gives them.

    :param files: FASTQ files, plain or gzipped.
    :raises EOFError: a gzipped file ends too early.
    :raises OSError: a file cannot be read.
    """
    reads = bases = gc = good = total = 0
    for path in files:
        for sequence, quality in _records(path):
            reads += 1
            bases += len(sequence)
            gc += sum(map(sequence.upper().count, (b"G", b"C")))
            total += sum(quality) - PHRED_OFFSET * len(quality)
            good += sum(map((PHRED_OFFSET + 30).__le__, quality))
    figures = {"mean_quality": total, "gc_share": gc, "q30_share": good}
    return {
        "reads": reads,
        "bases": bases,
        **{name: round(number / bases, 6) if bases else 0.0 for name, number in figures.items()},
    }


def _records(path: Path) -> Iterator[tuple[bytes, bytes]]:
    with path.open("rb") as file:
        gzipped = file.read(len(GZIP_BEGINS)) == GZIP_BEGINS
    with gzip.open(path) if gzipped else path.open("rb") as lines:
        while record := [line.rstrip(b"\r\n") for line in islice(lines, 4)]:
            if len(record) == 4:
                yield record[1], record[3]
