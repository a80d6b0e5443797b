"""The samples of the demo: the same ones every time, one of them damaged and easy to mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_samples import CONTROL, DAMAGED, make_samples, originals
from recount import recount
from samplesheet import Sample


def files(sample: Sample) -> list[Path]:
    return [path for paths in sample.files.values() for path in paths]


def test_a_cohort_of_twelve_with_the_control_first_and_one_that_is_damaged(tmp_path: Path) -> None:
    samples = make_samples(tmp_path / "one")

    assert len(samples) == 12
    assert len({sample.name for sample in samples}) == 12
    assert samples[0].name == CONTROL
    counted = {sample.name: recount(files(sample)) for sample in samples if sample.name != DAMAGED}
    assert len({figures["reads"] for figures in counted.values()}) == 11
    (broken,) = (sample for sample in samples if sample.name == DAMAGED)
    with pytest.raises(EOFError):
        recount(files(broken))

    again = make_samples(tmp_path / "two")
    assert [path.read_bytes() for sample in again for path in files(sample)] == [
        path.read_bytes() for sample in samples for path in files(sample)
    ]


def test_the_originals_have_the_names_of_the_damaged_files_and_all_of_their_reads(tmp_path: Path) -> None:
    samples = make_samples(tmp_path)
    (broken,) = (sample for sample in samples if sample.name == DAMAGED)

    whole = originals(samples)

    assert [path.name for path in whole] == [path.name for path in files(broken)]
    assert recount(whole)["reads"] == 2 * recount(whole[:1])["reads"]
    with pytest.raises(EOFError):
        recount(files(broken))
