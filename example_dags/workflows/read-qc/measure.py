#!/usr/bin/env python3
"""Measure one FASTQ file, plain or gzipped, and write the counts as JSON to standard output.

Whatever is not a complete and well-formed FASTQ file ends with exit status 1 and one line on standard error.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
import zlib
from pathlib import Path

BASES = b"ACGTUNRYSWKMBDHVacgtunryswkmbdhv.-"
QUALITIES = bytes(range(33, 127))
PHRED_OFFSET = 33
Q30_AND_MORE = bytes(range(PHRED_OFFSET + 30, 127))
BLOCK_BYTES = 1 << 21
LONGEST_LINE = 100_000_000


class Malformed(Exception):
    """The file is not a FASTQ file; the text says where and why."""


class Counts:
    """What is counted over all records; the base and quality counts never look at one character in Python."""

    def __init__(self):
        self.reads = 0
        self.bases = 0
        self.gc_bases = 0
        self.q30_bases = 0
        self.qualities = {}

    def add(self, lines):
        """Count complete records: their lines, without line ends, four to a record."""
        check(lines, self.reads)
        sequence, quality = b"".join(lines[1::4]).upper(), b"".join(lines[3::4])
        self.reads += len(lines) // 4
        self.bases += len(sequence)
        self.gc_bases += sequence.count(b"G") + sequence.count(b"C")
        self.q30_bases += len(quality) - len(quality.translate(None, Q30_AND_MORE))
        self.count_qualities(quality)

    def count_qualities(self, quality):
        """Take out one value after the other, the commonest first, so that little is left for the rare ones."""
        for value in sorted(self.qualities, key=self.qualities.get, reverse=True):
            quality = self.take_out(value, quality)
        while quality:
            quality = self.take_out(quality[0], quality)

    def take_out(self, value, quality):
        rest = quality.translate(None, bytes([value]))
        self.qualities[value] = self.qualities.get(value, 0) + len(quality) - len(rest)
        return rest

    def as_dict(self, name):
        total = sum((value - PHRED_OFFSET) * count for value, count in self.qualities.items())
        return {
            "file": name,
            "reads": self.reads,
            "bases": self.bases,
            "gc_bases": self.gc_bases,
            "q30_bases": self.q30_bases,
            "quality_sum": total,
        }


def check(lines, reads_before):
    """Raise Malformed for the first record that is wrong; the quick look decides whether to search for it."""
    sequences, qualities = lines[1::4], lines[3::4]
    well_formed = (
        all(line.startswith(b"@") for line in lines[0::4])
        and all(line.startswith(b"+") for line in lines[2::4])
        and list(map(len, sequences)) == list(map(len, qualities))
        and not b"".join(sequences).translate(None, BASES)
        and not b"".join(qualities).translate(None, QUALITIES)
    )
    if not well_formed:
        for index in range(0, len(lines), 4):
            fault = fault_of(*lines[index : index + 4])
            if fault:
                raise Malformed(f"record {reads_before + index // 4 + 1}: {fault}")


def fault_of(header, sequence, plus, quality):
    if not header.startswith(b"@"):
        return f"the first line does not begin with '@': {shown(header)}"
    if not plus.startswith(b"+"):
        return f"the third line does not begin with '+': {shown(plus)}"
    if len(sequence) != len(quality):
        return f"{len(sequence)} bases but {len(quality)} quality values"
    wrong = sequence.translate(None, BASES)
    if wrong:
        return f"{shown(wrong[:1])} is not a base"
    wrong = quality.translate(None, QUALITIES)
    return f"{shown(wrong[:1])} is not a quality value" if wrong else None


def shown(line):
    text = repr(line[:60])[1:]
    return text if len(line) <= 60 else text + "..."


def measure(path):
    """Return the counts of a file.

    :raises Malformed: the file is empty, truncated, or not FASTQ.
    """
    counts = Counts()
    pending, tail, blank = [], b"", 0
    with opened(path) as file:
        while True:
            block = file.read(BLOCK_BYTES)
            if not block:
                break
            block = tail + block
            *lines, tail = block.split(b"\n")
            if len(tail) > LONGEST_LINE:
                raise Malformed(f"record {counts.reads + 1}: a line has more than {LONGEST_LINE} characters")
            pending += [b""] * blank
            pending += without_carriage_returns(lines) if b"\r" in block else lines
            # They may be the end of the file, where they mean nothing.
            blank = blank_lines_at_the_end(pending)
            del pending[len(pending) - blank :]
            complete = len(pending) // 4 * 4
            counts.add(pending[:complete])
            del pending[:complete]
    if tail.rstrip(b"\r"):
        pending += [b""] * blank + without_carriage_returns([tail])
    else:
        pending += [b""] * min(blank, -len(pending) % 4)
    finish(counts, pending)
    return counts


def blank_lines_at_the_end(lines):
    number = 0
    while number < len(lines) and not lines[-1 - number]:
        number += 1
    return number


def finish(counts, pending):
    """Count the last record, or raise Malformed when it is not all there; blank lines at the end are harmless."""
    if len(pending) == 4:
        counts.add(pending)
        pending = []
    if any(pending):
        raise Malformed(
            f"record {counts.reads + 1}: the file ends after line {len(pending)} of 4; the file is truncated"
        )
    if not counts.reads:
        raise Malformed("the file holds no reads")


def without_carriage_returns(lines):
    return [line[:-1] if line.endswith(b"\r") else line for line in lines]


def opened(path):
    """Open a file for reading bytes; what it holds decides whether it is gzipped, not its name."""
    with path.open("rb") as file:
        is_gzipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_gzipped else path.open("rb")


def main(path):
    started = time.monotonic()
    try:
        counts = measure(path)
    except Malformed as error:
        return f"{path.name}: {error}"
    except EOFError:
        return f"{path.name}: the gzip data end too early; the file is truncated"
    except (OSError, zlib.error) as error:
        return f"{path.name}: the file cannot be read: {error}"
    seconds = max(time.monotonic() - started, 1e-6)
    json.dump(counts.as_dict(path.name), sys.stdout, indent=2)
    print(
        f"{path.name}: {counts.reads} reads in {seconds:.2f} s, {counts.reads / seconds:.0f} reads/s", file=sys.stderr
    )
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: measure.py reads.fastq[.gz]")
    sys.exit(main(Path(sys.argv[1])))
