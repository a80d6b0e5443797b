"""Files with run settings, and reading them; what was read is removed afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import pytest

from airflow_provider_omics.healthomics.run_settings.cohort import Cohort, SheetOptions, read_cohort

DEFAULTS: dict[str, Any] = {"outputUri": "s3://bucket/results"}

Write = Callable[[str, str | bytes], str]
Read = Callable[..., Cohort]


def no_uri(uri: str) -> NoReturn:
    """Stand for S3 where nothing may be read from it."""
    raise AssertionError(f"{uri} was opened")


@pytest.fixture
def spool_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where cohort files go."""
    path = tmp_path / "spool"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""

    def write_file(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write_file


@pytest.fixture
def read(spool_dir: Path) -> Iterator[Read]:
    """Read run settings; the id column and the other options are keywords."""
    with ExitStack() as stack:

        def read_source(
            source: Any,
            id_column: str | None = None,
            *,
            defaults: Mapping[str, Any] = DEFAULTS,
            open_uri: Callable[[str], BinaryIO] = no_uri,
            **options: Any,
        ) -> Cohort:
            return stack.enter_context(read_cohort(source, SheetOptions(id_column, **options), defaults, open_uri))

        yield read_source
