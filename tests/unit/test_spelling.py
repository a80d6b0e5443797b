"""A name is proposed for another only if both are spellings of one."""

from __future__ import annotations

import pytest

from airflow_provider_omics.healthomics.api.spelling import advice, meant


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("refrence", ["reference", "reads"], "reference"),
        ("raeds", ["reference", "reads"], "reads"),
        ("Sample", ["sample"], "sample"),
        ("sample-name", ["sample_name"], "sample_name"),
        ("sampleName", ["sample_name"], "sample_name"),
        ("fastq1", ["fastq_1", "fastq_2"], "fastq_1"),
        ("fastq_1", ["fasta"], None),
        ("fastq", ["fasta"], None),
        ("fastq_3", ["fastq_1", "fastq_2"], None),
        ("bam", ["bai"], None),
        ("tumor_bam", ["normal_bam"], None),
        ("tumor_bai", ["tumor_bam"], None),
        ("input_reads", ["input_read"], None),
        ("genome", ["genomes", "genom"], None),
        ("intervalls", ["intervals"], "intervals"),
        ("x", [], None),
    ],
)
def test_only_spellings_of_the_same_name_are_proposed(name: str, known: list[str], expected: str | None) -> None:
    assert meant(name, known) == expected
    assert ("Did you mean" in advice(name, known)) == (expected is not None)
