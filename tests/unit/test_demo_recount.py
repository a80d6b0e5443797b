"""The demo's check of the figures stands on its own feet: what it counts is known here by hand."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from reads import damaged, make_reads
from recount import recount


def test_all_files_are_counted_together_plain_or_gzipped(tmp_path: Path) -> None:
    plain, gzipped = tmp_path / "plain.fq", tmp_path / "a.fastq.gz"
    plain.write_bytes(b"@r1\nACGTNN\n+\nIII?>#\n@r2\nggAA\n+r2\n!!?@\n")
    # Two members, as joined lanes have, and line ends of two characters.
    gzipped.write_bytes(gzip.compress(b"@r3\r\nC\r\n+\r\nI\r\n") + gzip.compress(b"@r4\nT\n+\nI"))

    assert recount([plain]) == {
        "reads": 2,
        "bases": 10,
        "mean_quality": (40 + 40 + 40 + 30 + 29 + 2 + 0 + 0 + 30 + 31) / 10,
        "gc_share": 0.4,
        "q30_share": 0.6,
    }
    assert recount([plain, gzipped]) == {
        "reads": 4,
        "bases": 12,
        "mean_quality": round((242 + 80) / 12, 6),
        "gc_share": round(5 / 12, 6),
        "q30_share": round(8 / 12, 6),
    }


def test_a_file_without_reads_has_no_shares(tmp_path: Path) -> None:
    empty = tmp_path / "empty.fq"
    empty.write_bytes(b"")

    assert recount([empty]) == {"reads": 0, "bases": 0, "mean_quality": 0, "gc_share": 0, "q30_share": 0}


def test_a_file_that_is_cut_off_has_no_figures(tmp_path: Path) -> None:
    path = tmp_path / "cut.fastq.gz"
    path.write_bytes(damaged(make_reads("cut", 50).fastq_1))

    with pytest.raises(EOFError):
        recount([path])
