"""A cohort of 100,000 passes in memory that grows with its ids only."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from airflow_provider_omics.healthomics.run_settings.cohort import SheetOptions, entries, read_cohort, select

SAMPLES = 100_000
DEFAULTS = {"outputUri": "s3://bucket/results"}
MIB = 1024 * 1024


class Pieces:
    """A file that is written while it is read, so that it takes no memory itself."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        given, self._rest = self._rest[:size], self._rest[size:]
        return given

    def close(self) -> None:
        pass


def json_array(count: int, width: int) -> Iterator[bytes]:
    yield b"["
    for number in range(count):
        setting = {"runSettingId": f"S{number:06d}", "parameters": {"reads": "r" * width, "number": number}}
        yield (b"," if number else b"") + json.dumps(setting).encode()
    yield b"]"


def json_lines(count: int, width: int) -> Iterator[bytes]:
    for number in range(count):
        setting = {"runSettingId": f"S{number:06d}", "parameters": {"reads": "r" * width}}
        yield json.dumps(setting).encode() + b"\n"


def sheet(count: int, width: int) -> Iterator[bytes]:
    yield b"id,reads,other\n"
    for number in range(count):
        yield b"S%06d,%s,%d\n" % (number, b"r" * width, number)


def peak_of(work: Callable[[], Any]) -> int:
    """Return the most memory that something took at once, in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def reading(suffix: str, pieces: Iterator[bytes], count: int, **options: Any) -> Callable[[], None]:
    def read() -> None:
        stream: Any = Pieces(pieces)
        with read_cohort(f"s3://bucket/a{suffix}", SheetOptions(**options), DEFAULTS, lambda uri: stream) as cohort:
            assert cohort.count == count

    return read


@pytest.mark.parametrize(
    ("suffix", "make", "column"), [(".csv", sheet, "id"), (".jsonl", json_lines, None), (".json", json_array, None)]
)
def test_wider_entries_do_not_take_more_memory(
    suffix: str, make: Callable[[int, int], Iterator[bytes]], column: str | None
) -> None:
    count = 2_000
    reading(suffix, make(10, 10), 10, run_setting_id_column=column)()
    narrow = peak_of(reading(suffix, make(count, 10), count, run_setting_id_column=column))
    wide = peak_of(reading(suffix, make(count, 5_000), count, run_setting_id_column=column))
    # The wide ones are 10 MB; what they are read and written through has buffers of at most some MB.
    assert wide - narrow < 3 * MIB


def test_a_hundred_thousand_entries_of_a_hundred_megabytes_take_memory_for_their_ids_only() -> None:
    peak = peak_of(reading(".json", json_array(SAMPLES, 950), SAMPLES))
    assert peak / SAMPLES < 300


def test_reading_back_and_selecting_take_no_more() -> None:
    def read() -> None:
        assert sum(1 for _ in entries(Pieces(json_array(20_000, 1_000)))) == 20_000
        with closing(select(Pieces(json_array(20_000, 1_000)), {"S000007", "S019999"})) as chosen:
            assert [setting["runSettingId"] for setting in chosen.settings()] == ["S000007", "S019999"]

    assert peak_of(read) < 6 * MIB


def test_a_compressed_file_is_not_unpacked_at_once() -> None:
    packed = gzip.compress(b"".join(sheet(5_000, 4_000)))

    def read() -> None:
        options = SheetOptions("id")
        with read_cohort("s3://bucket/a.csv.gz", options, DEFAULTS, lambda uri: io.BytesIO(packed)) as cohort:
            assert cohort.count == 5_000

    assert peak_of(read) < 6 * MIB


def test_a_quote_that_is_never_closed_does_not_swallow_the_file() -> None:
    def read() -> None:
        pieces = iter([b'id,x\nA,"', *([b"y" * 1_000 + b"\n"] * 50_000)])
        with pytest.raises(ValueError, match="row 2: has a cell of more than 131,072 characters"):
            reading(".csv", pieces, 0, run_setting_id_column="id")()

    assert peak_of(read) < 6 * MIB
