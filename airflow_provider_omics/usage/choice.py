"""Which samples of a cohort have their use looked up."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
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
        taken = set(random.Random(seed).sample(list(runs), sample_size))
        return {sample: its for sample, its in runs.items() if sample in taken}
    return dict(runs) if mode is not UsageMode.OFF else {}
