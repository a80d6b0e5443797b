"""The files of the example DAGs in which the installed Airflow finds a DAG."""

from __future__ import annotations

from pathlib import Path

import airflow
from packaging.version import Version

NEED_AIRFLOW_3 = {"example_omics_events.py": "Airflow 2 has no asset watchers"}


def example_files() -> list[Path]:
    """Return the files of the example DAGs, in alphabetical order."""
    has_watchers = Version(airflow.__version__) >= Version("3")
    found = (Path(__file__).parents[2] / "example_dags").glob("*.py")
    return sorted(path for path in found if has_watchers or path.name not in NEED_AIRFLOW_3)
