"""Joins the FASTQ files of a sample's lanes into one, plain or gzipped."""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

GZIP_MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 1 << 20


def is_gzipped(path: Path) -> bool:
    """Say whether a file is gzipped, by what it holds and not by its name."""
    with path.open("rb") as file:
        return file.read(2) == GZIP_MAGIC


def join(lanes: Sequence[Path], target: Path) -> None:
    """Write the reads of all lanes to one file, in their order.

    The file is gzipped if any lane is: a gzip file may have several members, so gzipped lanes are taken as they
    are, and plain ones among them are compressed.

    :param lanes: FASTQ files, gzipped or plain.
    :param target: the file to write.
    """
    gzipped = [is_gzipped(lane) for lane in lanes]
    with target.open("wb") as out:
        for number, (lane, lane_is_gzipped) in enumerate(zip(lanes, gzipped, strict=True), start=1):
            with lane.open("rb") as source:
                if any(gzipped) and not lane_is_gzipped:
                    _compress(source, out)
                else:
                    shutil.copyfileobj(source, out, BLOCK_BYTES)
            if number < len(lanes) and not _ends_with_newline(lane, lane_is_gzipped):
                # Else the next lane's first record would begin on this lane's last line.
                out.write(gzip.compress(b"\n") if any(gzipped) else b"\n")


def _compress(source: BinaryIO, out: BinaryIO) -> None:
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=1, mtime=0) as member:
        shutil.copyfileobj(source, member, BLOCK_BYTES)


def _ends_with_newline(path: Path, gzipped: bool) -> bool:
    """Say whether a file ends with a line end; a damaged one is left for the workflow to judge."""
    if not gzipped:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    last = b"\n"
    try:
        with gzip.open(path, "rb") as unzipped:
            while block := unzipped.read(BLOCK_BYTES):
                last = block[-1:]
    except (EOFError, OSError, zlib.error):
        return True
    return last == b"\n"
