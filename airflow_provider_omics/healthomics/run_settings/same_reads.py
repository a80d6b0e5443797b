"""Noticing that two samples of a cohort, or one twice, are given the same reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_omics.healthomics.requests.input_places import name_of, texts_of
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.levels import FAIL
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation, exact_place
from airflow_provider_omics.healthomics.run_settings.notes import Notes

_SHOWN = 5
# What a sequencer made, which no two samples share.
_READS = (".fastq", ".fastq.gz", ".fq", ".fq.gz", ".bam", ".cram", ".sra", ".ora", ".fast5", ".pod5")
_READS_NAME = re.compile(r"fastq|(^|_)(fq|reads?|[cu]?r?bam|cram|r[12])($|_|\d)", re.IGNORECASE)
# What all samples of a cohort may share.
_SHARED = (
    ".fa",
    ".fasta",
    ".fna",
    ".fa.gz",
    ".fasta.gz",
    ".fai",
    ".dict",
    ".bed",
    ".bed.gz",
    ".gtf",
    ".gtf.gz",
    ".gff",
    ".gff3",
    ".interval_list",
    ".tbi",
    ".json",
    ".csv",
    ".tsv",
    ".txt",
    ".yaml",
    ".yml",
)
_SHARED_NAME = re.compile(
    r"(^|_)(ref|genome|fasta|index|db)|reference|interval|target|bait|panel|known|dbsnp|control|background|normal"
    r"|adapter|primer|model|barcode|whitelist|database",
    re.IGNORECASE,
)


@dataclass
class _Repeats:
    """What one parameter was given again: how often, and the first of it.

    :param sure: whether the parameter takes reads, and not what samples may share.
    """

    sure: bool
    count: int = 0
    first: list[tuple[str, str, str]] = field(default_factory=list)


class SameReads:
    """Remembers, by their hashes, which objects the samples were given.

    :param level: ``warn`` or ``fail``.
    """

    def __init__(self, origin: SourceLocation, level: str) -> None:
        self._origin = origin
        self._fails = level == FAIL
        self._first_of: dict[int, int] = {}
        self._shared: set[int] = set()
        self._repeats: dict[str, _Repeats] = {}
        self._samples = 0

    def note(self, numbers: tuple[int, ...], given: Mapping[str, Any], objects: Sequence[tuple[str, str]]) -> None:
        """Note the objects of one sample.

        :param given: its parameters, or one of its rows.
        :param objects: bucket and key of each.
        """
        self._samples += 1
        first_of, shared, at = self._first_of, self._shared, numbers[0]
        for bucket_and_key in objects:
            known = hash(bucket_and_key)
            if known not in first_of:
                first_of[known] = at
            elif known not in shared:
                self._note_again(numbers, given, "s3://{}/{}".format(*bucket_and_key), known)

    def issues(self) -> Iterator[Issue]:
        """Yield the repeated reads as problems, if that is wanted."""
        for _name, repeats in self._reported() if self._fails else ():
            for uri, where, before in repeats.first:
                fix = "Give each sample its own reads, or set duplicate_inputs='warn' if this is meant"
                yield Issue(where, f"{uri!r} is in {before} too", fix)

    def tell(self, notes: Notes) -> None:
        """Tell of the repeated reads, unless they are problems."""
        for name, repeats in () if self._fails else self._reported():
            uri, where, before = repeats.first[0]
            times = f"{repeats.count:,} time{'' if repeats.count == 1 else 's'}"
            notes.add(
                f"The same reads are given twice in {name!r}, {times}; the first: {uri} in {where}, and in {before}. "
                "Check the samples; duplicate_inputs='fail' refuses this",
                warning=True,
            )

    def _reported(self) -> Iterator[tuple[str, _Repeats]]:
        for name, repeats in self._repeats.items():
            # What most samples have in common is no sample's own.
            if repeats.sure or repeats.count * 2 <= self._samples:
                yield name, repeats

    def _note_again(self, numbers: tuple[int, ...], given: Mapping[str, Any], uri: str, known: int) -> None:
        paths = [path for path, text in texts_of(given, "parameters") if text == uri]
        if not paths:
            return
        path = paths[-1]
        name = name_of(path)
        plain = uri.lower()
        if _SHARED_NAME.search(name) or plain.endswith(_SHARED):
            self._shared.add(known)
            return
        sure = plain.endswith(_READS) or _READS_NAME.search(name) is not None
        before = self._first_of[known]
        if not sure and before == numbers[0]:
            return
        repeats = self._repeats.setdefault(name, _Repeats(sure))
        repeats.count += 1
        if len(repeats.first) < _SHOWN:
            where = self._origin.member(*exact_place(self._origin, numbers, given, path))
            again = self._origin.place([before])
            if before == numbers[0]:
                again = self._origin.member(*exact_place(self._origin, numbers, given, paths[0]))
            repeats.first.append((uri, where, again))
