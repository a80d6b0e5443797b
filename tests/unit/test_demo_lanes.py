from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lanes import is_gzipped, join
from reads import damaged


def record(number: int) -> bytes:
    return b"@r%d\nACGT\n+\nFFFF\n" % number


def lanes(folder: Path, contents: Sequence[tuple[bytes, bool]]) -> list[Path]:
    """Write one file for each content, gzipped where it says so."""
    paths = []
    for number, (content, gzipped) in enumerate(contents):
        paths.append(folder / f"lane{number}.fastq")
        paths[-1].write_bytes(gzip.compress(content) if gzipped else content)
    return paths


def text(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if is_gzipped(path) else content


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    shape=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=5),
)
def test_the_joined_file_has_every_record_of_every_lane(tmp_path: Path, shape: list[tuple[int, bool, bool]]) -> None:
    contents, expected = [], []
    for lane, (count, gzipped, whole) in enumerate(shape):
        content = b"".join(record(10 * lane + number) for number in range(count))
        expected += content.splitlines()
        contents.append((content if whole else content.removesuffix(b"\n"), gzipped))

    join(lanes(tmp_path, contents), tmp_path / "joined")

    assert text(tmp_path / "joined").splitlines() == expected
    assert is_gzipped(tmp_path / "joined") == any(gzipped for _, gzipped in contents)


def test_a_damaged_lane_stays_damaged(tmp_path: Path) -> None:
    good = gzip.compress(b"".join(map(record, range(200))))
    first, second = tmp_path / "first.gz", tmp_path / "second.gz"
    first.write_bytes(damaged(good))
    second.write_bytes(good)

    join([first, second], tmp_path / "joined")

    with pytest.raises(Exception, match=r"Error|CRC|end-of-stream|invalid|gzip"):
        text(tmp_path / "joined")
