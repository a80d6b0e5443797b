"""Makes FASTQ files: the same seed gives the same reads, and under the same zlib the same bytes.

The reads are random bases with qualities that fall towards the end of the read; they are no real sequences.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
from dataclasses import dataclass
from pathlib import Path

READ_LENGTH = 100


@dataclass(frozen=True)
class Mates:
    """The two gzipped FASTQ files of one sample."""

    fastq_1: bytes
    fastq_2: bytes


def make_reads(sample: str, pairs: int, *, seed: int = 0, read_length: int = READ_LENGTH, gc: float = 0.41) -> Mates:
    """Make a sample's paired reads.

    :param sample: names the reads, and is part of the seed.
    :param pairs: read pairs, at least 1.
    :param read_length: bases of each read, at least 1.
    :param gc: expected share of G and C, 0 to 1.
    :raises ValueError: a number is out of bounds.
    """
    if pairs < 1 or read_length < 1 or not 0 <= gc <= 1:
        raise ValueError(f"cannot make {pairs} pairs of {read_length} bases with a GC share of {gc}")
    rng = random.Random(f"{seed}:{sample}")
    first, second = (_mate(rng, sample, pairs, mate, read_length, gc) for mate in (1, 2))
    return Mates(compress(first), compress(second))


def compress(content: bytes) -> bytes:
    """Gzip without name and time, so that the bytes depend on the content alone."""
    target = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0, compresslevel=3) as file:
        file.write(content)
    return target.getvalue()


def damaged(gzipped: bytes, share: float = 0.6) -> bytes:
    """Cut a gzipped file off, as an upload that broke would.

    :param share: part of the bytes that is left, more than 0 and less than 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be more than 0 and less than 1, not {share}")
    return gzipped[: int(len(gzipped) * share)]


def _mate(rng: random.Random, sample: str, pairs: int, mate: int, length: int, gc: float) -> bytes:
    bases = _table({"A": (1 - gc) / 2, "C": gc / 2, "G": gc / 2, "T": (1 - gc) / 2})
    early = _table({"#": 1, "-": 2, "8": 8, "F": 60})
    late = _table({"#": 6, "-": 8, "8": 6, "F": 3})
    records = []
    for number in range(1, pairs + 1):
        sequence = rng.randbytes(length).translate(bases)
        good = rng.randint(length // 2, length)
        quality = rng.randbytes(good).translate(early) + rng.randbytes(length - good).translate(late)
        records.append(b"@%s:%d/%d\n%s\n+\n%s\n" % (sample.encode(), number, mate, sequence, quality))
    return b"".join(records)


def _table(weights: dict[str, float]) -> bytes:
    """Return what turns random bytes into characters of about these weights, with ``bytes.translate``."""
    total = sum(weights.values())
    table, share = "", 0.0
    for character, weight in weights.items():
        share += weight / total
        table += character * (round(share * 256) - len(table))
    return table.encode()


def main() -> None:
    """Write the two files of one sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sample")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--damaged", action="store_true", help="cut the second file off")
    options = parser.parse_args()
    mates = make_reads(options.sample, options.pairs, seed=options.seed)
    options.directory.mkdir(parents=True, exist_ok=True)
    second = damaged(mates.fastq_2) if options.damaged else mates.fastq_2
    for mate, content in ((1, mates.fastq_1), (2, second)):
        options.directory.joinpath(f"{options.sample}_R{mate}.fastq.gz").write_bytes(content)


if __name__ == "__main__":
    main()
