"""The outputs that a WDL workflow or task declares, by miniwdl's types."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from WDL import Type
from WDL.Tree import Task, Workflow

from airflow_provider_omics.local.artefacts.declarations import PLAIN_VALUES, Declarations, Kind


def declared_outputs(target: Workflow | Task) -> dict[str, Any]:
    """Return the declarations of a loaded definition, as JSON has them."""
    kinds = {binding.name: _kind(binding.value) for binding in target.effective_outputs}
    return asdict(Declarations(f"{target.name}.", kinds))


def _kind(declared: Type.Base) -> Kind:
    if isinstance(declared, Type.File):
        return "File"
    if isinstance(declared, Type.Directory):
        return "Directory"
    if isinstance(declared, Type.Array):
        return {"items": _kind(declared.item_type)}
    return {"value": PLAIN_VALUES.get(type(declared).__name__, {})}
