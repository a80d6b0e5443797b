"""The parameter template of a WDL workflow, of what miniwdl has made of it."""

from __future__ import annotations

from typing import Any

from airflow_provider_omics.workflows.descriptions import description


def wdl_template(process: Any) -> dict[str, dict[str, Any]]:
    """Return the parameter template of a workflow, or of the one task of a document without a workflow.

    Inputs of calls are parameters only where the call cannot do without; their names have a dot.

    :param process: miniwdl's ``Workflow`` or ``Task``.
    """
    required = {binding.name for binding in process.required_inputs}
    template: dict[str, dict[str, Any]] = {}
    for binding in process.available_inputs:
        if binding.name in required or not ("." in binding.name or binding.name.startswith("_")):
            described = _description(process.parameter_meta.get(binding.name))
            template[binding.name] = {**described, "optional": binding.name not in required}
    return template


def _description(about: Any) -> dict[str, str]:
    if isinstance(about, dict):
        about = next((about[name] for name in ("description", "help", "label") if name in about), None)
    return description(" ".join(about.split())) if isinstance(about, str) else {}
