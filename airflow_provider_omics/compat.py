"""Everything that differs between the supported Airflow versions and that common-compat does not cover."""

from __future__ import annotations

from airflow import __version__ as _airflow_version

_AIRFLOW = tuple(int(part) for part in _airflow_version.split(".")[:2])

TRIGGERS_RENDER_TEMPLATES = _AIRFLOW >= (3, 3)
"""Whether a trigger that a task starts from may be given templates; before, it gets them unrendered."""
