"""The read-QC workflow's scripts: figures against a count that shares no code with them, and every damaged file."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from reads import compress, damaged, make_reads

WORKFLOW = Path(__file__).parents[2] / "example_dags" / "workflows" / "read-qc"
RECORD = b"@r1\nACGTN\n+\nIIII#\n"


@dataclass
class Ended:
    """What a script left behind."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture
def measure(tmp_path: Path):
    def run(content: bytes, name: str = "reads.fastq") -> Ended:
        tmp_path.joinpath(name).write_bytes(content)
        return _run("measure.py", tmp_path, name)

    return run


def _run(script: str, directory: Path, *arguments: str) -> Ended:
    done = subprocess.run(
        [sys.executable, WORKFLOW / script, *arguments], cwd=directory, capture_output=True, text=True, timeout=600
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _counted_one_by_one(content: bytes) -> dict[str, Any]:
    """Count base by base, which is slow and plain."""
    lines = content.decode().split("\n")
    records = [lines[start : start + 4] for start in range(0, len(lines) - 3, 4)]
    bases = [base for record in records for base in record[1].strip().upper()]
    scores = [ord(char) - 33 for record in records for char in record[3].strip()]
    return {
        "reads": len(records),
        "bases": len(bases),
        "gc_bases": sum(base in "GC" for base in bases),
        "q30_bases": sum(score >= 30 for score in scores),
        "quality_sum": sum(scores),
    }


def _all_qualities(reads: int, seed: int) -> bytes:
    """Reads of every quality value there is, '@' and '+' at the beginning too, of any length."""
    dice = random.Random(seed)
    records = []
    for number in range(reads):
        length = dice.randint(0, 300)
        sequence = "".join(dice.choices("ACGTNacgtn", k=length))
        quality = "".join(chr(dice.randint(33, 126)) for _ in range(length))
        records.append(f"@read {number}\n{sequence}\n+read {number}\n{quality}\n")
    return "".join(records).encode()


@pytest.mark.parametrize("seed", range(3))
def test_figures_equal_a_count_base_by_base(measure, seed: int) -> None:
    content = _all_qualities(2000, seed)
    counts = json.loads(measure(content).stdout)
    assert counts == {"file": "reads.fastq", **_counted_one_by_one(content)}


def test_blocks_are_put_together_wherever_they_are_cut(measure) -> None:
    # 20,000 reads are several of the blocks in which the file is read.
    content = gzip.decompress(make_reads("blocks", 20_000, seed=4).fastq_1)
    counts = json.loads(measure(content).stdout)
    assert counts == {"file": "reads.fastq", **_counted_one_by_one(content)}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (RECORD * 3, "plain.fastq"),
        (RECORD * 3, "plain_in_spite_of_its_name.fastq.gz"),
        (compress(RECORD * 3), "gzipped.fastq.gz"),
        (compress(RECORD * 3), "gzipped_in_spite_of_its_name.fastq"),
        (compress(RECORD * 2) + compress(RECORD) + compress(b""), "several_members.fastq.gz"),
        ((RECORD * 3).replace(b"\n", b"\r\n"), "dos.fastq"),
        ((RECORD * 3).removesuffix(b"\n"), "no_last_line_end.fastq"),
        ((RECORD * 3).replace(b"\n", b"\r\n").removesuffix(b"\r\n"), "dos_without_last_line_end.fastq"),
        (RECORD * 3 + b"\n", "blank_line_at_the_end.fastq"),
        (RECORD * 3 + b"\r\n\r\n", "blank_dos_lines_at_the_end.fastq"),
        (RECORD * 3 + b"\n" * 9, "many_blank_lines_at_the_end.fastq"),
        (compress(RECORD * 3 + b"\n" * 5), "many_blank_lines_at_the_end.fastq.gz"),
        (RECORD.replace(b"ACGTN", b"acgtn") * 3, "lower_case.fastq"),
    ],
)
def test_every_form_of_the_same_reads_gives_the_same_counts(measure, content: bytes, name: str) -> None:
    ended = measure(content, name)
    assert ended.status == 0
    assert json.loads(ended.stdout) == {
        "file": name,
        "reads": 3,
        "bases": 15,
        "gc_bases": 6,
        "q30_bases": 12,
        "quality_sum": 3 * (4 * 40 + 2),
    }
    assert "3 reads in" in ended.stderr


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n\n\n\n"], ids=["cut", "whole", "blank lines"])
def test_reads_of_no_length_count_wherever_they_stand(measure, ending: bytes) -> None:
    empty = b"@none\n\n+\n"
    ended = measure(empty + b"\n" + RECORD + empty + b"\n" + RECORD + empty + ending)
    if ending:
        assert json.loads(ended.stdout)["reads"] == 5
    else:
        assert "truncated" in ended.stderr


def test_an_at_sign_may_be_the_first_quality(measure) -> None:
    assert json.loads(measure(b"@r1\nAC\n+\n@@\n@r2\nGT\n+\n+@\n").stdout)["reads"] == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file holds no reads"),
        (compress(b""), "the file holds no reads"),
        (b"\n", "the file holds no reads"),
        (RECORD + b"@r2\n", "record 2: the file ends after line 1 of 4; the file is truncated"),
        (RECORD + b"@r2\nAC\n+\n", "record 2: the file ends after line 3 of 4; the file is truncated"),
        (RECORD + b"@r2\nAC\n+\nI", "record 2: 2 bases but 1 quality values"),
        (RECORD + b"@r2\nAC\n+\nIII\n", "record 2: 2 bases but 3 quality values"),
        (RECORD * 2 + b"r3\nAC\n+\nII\n", "record 3: the first line does not begin with '@': 'r3'"),
        (RECORD + b"@r2\nAC\n-\nII\n", "record 2: the third line does not begin with '+': '-'"),
        (b">r1\nACGT\n>r2\nACGT\n", "record 1: the first line does not begin with '@': '>r1'"),
        (RECORD + b"@r2\nA!\n+\nII\n", "record 2: '!' is not a base"),
        (RECORD + b"@r2\nAC\n+\nI \n", "record 2: ' ' is not a quality value"),
        (RECORD + b"@r2\nAC\n+\nI\xff\n", "record 2: '\\xff' is not a quality value"),
        (b"\x00\x01\x02", "record 1: the file ends after line 1 of 4"),
        (damaged(compress(_all_qualities(50, 1))), "the gzip data end too early; the file is truncated"),
        (b"\x1f\x8b", "the gzip data end too early; the file is truncated"),
        (b"\x1f\x8b\x08", "the gzip data end too early; the file is truncated"),
        (compress(RECORD * 9)[:-4] + b"\x00\x00\x00\x00", "the file cannot be read: Incorrect length of data"),
        (compress(RECORD) + b"rubbish", "the file cannot be read: Not a gzipped file"),
    ],
)
def test_a_damaged_file_ends_with_one_line_that_says_what_is_wrong(measure, content: bytes, message: str) -> None:
    ended = measure(content, "sample.fastq.gz")
    assert ended.status == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"sample.fastq.gz: {message}")


def test_the_record_number_counts_from_the_beginning_of_the_file(measure) -> None:
    good = gzip.decompress(make_reads("far", 30_000, seed=1).fastq_1)
    ended = measure(good + b"@bad\nACGT\n+\nIII\n")
    assert ended.stderr == "reads.fastq: record 30001: 4 bases but 3 quality values\n"


def _counts(directory: Path, name: str, **counts: int) -> str:
    zero = dict.fromkeys(("reads", "bases", "gc_bases", "q30_bases", "quality_sum"), 0)
    directory.joinpath(f"{name}.json").write_text(json.dumps({"file": name, **zero, **counts}))
    return f"{name}.json"


def test_mates_are_put_together(tmp_path: Path) -> None:
    first = _counts(tmp_path, "R1", reads=2, bases=10, gc_bases=4, q30_bases=10, quality_sum=400)
    second = _counts(tmp_path, "R2", reads=2, bases=30, gc_bases=6, q30_bases=5, quality_sum=600)

    assert _run("combine.py", tmp_path, "S-1", first, second).status == 0
    assert json.loads(tmp_path.joinpath("S-1.qc.json").read_text()) == {
        "sample": "S-1",
        "files": ["R1", "R2"],
        "reads": 4,
        "bases": 40,
        "mean_quality": 25.0,
        "gc_share": 0.25,
        "q30_share": 0.375,
    }
    report = tmp_path.joinpath("S-1.qc.txt").read_text()
    assert "reads         4\n" in report
    assert "mean quality  25.00\n" in report
    assert "GC            25.00%\n" in report
    assert ">= Q30        37.50%\n" in report


def test_files_that_are_no_mates_are_refused(tmp_path: Path) -> None:
    ended = _run("combine.py", tmp_path, "S-1", _counts(tmp_path, "R1", reads=2), _counts(tmp_path, "R2", reads=1))
    assert ended.status == 1
    assert ended.stderr == "S-1: the files are not mates of each other: R1 has 2 reads, R2 has 1 reads\n"
    assert not tmp_path.joinpath("S-1.qc.json").exists()


@pytest.mark.parametrize("sample", ["", "a/b", "..", "../x"])
def test_a_sample_name_that_cannot_be_a_file_name_is_refused(tmp_path: Path, sample: str) -> None:
    ended = _run("combine.py", tmp_path, sample, _counts(tmp_path, "R1", reads=1))
    assert ended.status == 1
    assert "cannot be a sample name" in ended.stderr


def test_reads_without_bases_have_figures_too(tmp_path: Path) -> None:
    assert _run("combine.py", tmp_path, "empty", _counts(tmp_path, "R1", reads=1)).status == 0
    assert json.loads(tmp_path.joinpath("empty.qc.json").read_text())["mean_quality"] == 0.0


def test_the_same_seed_makes_the_same_bytes() -> None:
    assert make_reads("a", 20, seed=7) == make_reads("a", 20, seed=7)
    assert make_reads("a", 20, seed=7) != make_reads("a", 20, seed=8)
    assert make_reads("a", 20, seed=7) != make_reads("b", 20, seed=7)


def test_the_parameter_template_names_the_workflow_s_inputs() -> None:
    template = json.loads(WORKFLOW.joinpath("parameter-template.json").read_text())
    text = WORKFLOW.joinpath("main.cwl").read_text()
    inputs = text.split("\ninputs:\n")[1].split("\noutputs:\n")[0]
    assert [line.strip(" :") for line in inputs.splitlines() if line.startswith("  ") and line[2] != " "] == list(
        template
    )
    assert [entry["optional"] for entry in template.values()] == [False, False, True]
