"""The samples of a demo without a sample sheet: paired reads that a script makes, one of them damaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reads import damaged, make_reads
from samplesheet import Lane, Sample

CONTROL = "control"
DAMAGED = "kidney_3"

# Read pairs and GC share. The control is small and comes first, so that it is done long before the rest.
_SAMPLES = {
    CONTROL: (500, 0.50),
    "liver_1": (4_000, 0.41),
    "liver_2": (2_500, 0.43),
    "liver_3": (1_000, 0.40),
    "kidney_1": (3_000, 0.47),
    "kidney_2": (5_000, 0.46),
    DAMAGED: (2_000, 0.47),
    "lung_1": (1_500, 0.38),
    "lung_2": (3_500, 0.39),
    "spleen_1": (4_500, 0.52),
    "spleen_2": (800, 0.51),
    "heart_1": (6_000, 0.44),
}


def make_samples(folder: Path) -> list[Sample]:
    """Make the reads, the same ones every time.

    :param folder: where the files go; is made if need be.
    :return: the samples, the control first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_make(name, *size, folder) for name, size in _SAMPLES.items()]


def originals(samples: Sequence[Sample]) -> list[Path]:
    """Return the files of the damaged sample as they were before the damage, under the names of the damaged ones."""
    (sample,) = (sample for sample in samples if sample.name == DAMAGED)
    folder = sample.lanes[0].fastq_1.parent / "originals"
    whole = _make(DAMAGED, *_SAMPLES[DAMAGED], folder, damage=False)
    return [path for paths in whole.files.values() for path in paths]


def _make(name: str, pairs: int, gc: float, folder: Path, *, damage: bool = True) -> Sample:
    folder.mkdir(parents=True, exist_ok=True)
    mates = make_reads(name, pairs, gc=gc)
    first, second = (folder / f"{name}_R{mate}.fastq.gz" for mate in (1, 2))
    first.write_bytes(mates.fastq_1)
    second.write_bytes(damaged(mates.fastq_2) if damage and name == DAMAGED else mates.fastq_2)
    return Sample(name, (Lane(1, first, second),))
