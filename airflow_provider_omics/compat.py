"""Everything that differs between the supported Airflow versions and that common-compat does not cover."""

from __future__ import annotations

from airflow import __version__ as _airflow_version

_AIRFLOW = tuple(int(part) for part in _airflow_version.split(".")[:2])


def triggerer_can_render(template: object, *, own_macros: bool = False) -> bool:
    """Whether an argument may be given, unrendered, to a trigger that its task starts from.

    Airflow 3.3 is the first that renders it. There, a template that pulls an XCom is never answered by the
    triggerer, and the trigger hangs until its timeout.

    :param own_macros: whether the DAG has macros or filters of its own, which the triggerer does not know.
    """
    text = str(template)
    if "{{" not in text and "{%" not in text:
        return True
    return _AIRFLOW >= (3, 3) and not own_macros and "xcom" not in text.lower()
