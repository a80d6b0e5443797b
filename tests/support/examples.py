"""The files of the example DAGs in which the installed Airflow finds a DAG."""

from __future__ import annotations

from pathlib import Path

import airflow
from packaging.version import Version

NEED_AIRFLOW_3 = {"example_omics_events.py": "Airflow 2 has no asset watchers"}
NEED_NEWER = {
    "example_omics_events.py": "3",
    # People are asked from Airflow 3.1 on.
    "example_omics_cost_approval.py": "3.1",
    # So have DAGs deadlines.
    "example_omics_alerts.py": "3.1",
}


def example_files() -> list[Path]:
    """Return the files of the example DAGs, in alphabetical order."""
    installed = Version(airflow.__version__)
    found = (Path(__file__).parents[2] / "example_dags").glob("*.py")
    return sorted(path for path in found if installed >= Version(NEED_NEWER.get(path.name, "2")))
