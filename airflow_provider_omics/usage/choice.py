"""Which samples of a cohort have their use looked up."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.usage.records import RunRecord


class UsageMode(StrEnum):
    """Of which samples the use is looked up; ``failed`` is those with a run that did not complete."""

    OFF = "off"
    FAILED = "failed"
    SAMPLE = "sample"
    ALL = "all"


def choose(
    runs: Mapping[str, Sequence[RunRecord]], mode: UsageMode, sample_size: int, seed: str
) -> dict[str, Sequence[RunRecord]]:
    """Return the samples whose use is looked up, in the order of the input.

    :param runs: all runs of each sample.
    :param sample_size: how many samples ``sample`` takes.
    :param seed: the same samples are taken for the same seed.
    """
    if mode is UsageMode.FAILED:
        return {sample: its for sample, its in runs.items() if any(run.status != RunStatus.COMPLETED for run in its)}
    if mode is UsageMode.SAMPLE and len(runs) > sample_size:
        taken = take_by_chance(runs, sample_size, seed)
        return {sample: its for sample, its in runs.items() if sample in taken}
    return dict(runs) if mode is not UsageMode.OFF else {}


def take_by_chance(ids: Iterable[str], count: int, seed: str) -> frozenset[str]:
    """Return some of many ids by chance: the same ones for the same seed, in whatever order they come.

    Whether one is taken depends on its own digest, so that a further id, as of a sample that a redrive has submitted,
    takes the place of at most one of them.
    """
    return frozenset(heapq.nsmallest(count, ids, key=lambda each: hashlib.sha256(f"{seed}/{each}".encode()).digest()))
