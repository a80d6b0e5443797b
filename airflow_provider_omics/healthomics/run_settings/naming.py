"""Naming the runs of a cohort after their samples, in what is submitted and nowhere else.

The cohort file has no such names, so that the settings of a sample are the same whichever release has read them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_omics.healthomics.run_settings.cohort import Cohort
from airflow_provider_omics.healthomics.run_settings.spool import Spool, compact
from airflow_provider_omics.healthomics.run_settings.validator import ID

# How the reader writes nearly every entry.
_BEGINS_WITH_ID = re.compile(rb'\{"runSettingId":("(?:[^"\\]|\\.)*")')


def named(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run setting that gives its run a name: its own, or else the id of its sample."""
    return {"name": setting[ID], **setting}


@contextmanager
def named_file(cohort: Cohort) -> Iterator[Path]:
    """Write the entries of a cohort, each with a name for its run, to a file that is removed at the end."""
    spool = Spool()
    try:
        with cohort.path.open("rb") as lines:
            for line in lines:
                entry = line.rstrip(b",\n")
                if entry.startswith(b"{"):
                    spool.add(_named_text(entry))
        spool.finish()
        yield spool.path
    finally:
        spool.discard()


def _named_text(entry: bytes) -> str:
    begin = _BEGINS_WITH_ID.match(entry)
    if begin is None or b'"name":' in entry:
        return compact(named(json.loads(entry)))
    return f'{{"name":{begin[1].decode("ascii")},{entry[1:].decode("ascii")}'
