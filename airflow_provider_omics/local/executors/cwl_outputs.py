"""The outputs that a CWL process declares, as cwltool has loaded it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from cwltool.process import Process

from airflow_provider_omics.local.artefacts.declarations import PLAIN_VALUES, Declarations, Kind
from airflow_provider_omics.local.executors.cwl_inputs import last_part

_FILES = ("File", "stdout", "stderr")


def declared_outputs(process: Process) -> dict[str, Any]:
    """Return the declarations of a loaded definition, as JSON has them."""
    fields = cast("list[dict[str, Any]]", process.outputs_record_schema["fields"])
    kinds = {field["name"]: _kind(field["type"], process.schemaDefs) for field in fields}
    return asdict(Declarations(outputs=kinds))


def _kind(declared: Any, named: Mapping[str, Any]) -> Kind:
    if isinstance(declared, list):
        return next((_kind(each, named) for each in declared if each != "null"), {"value": None})
    if isinstance(declared, Mapping):
        return _kind_of_schema(declared, named)
    if declared in named:
        return _kind(named[declared], named)
    name = last_part(declared)
    if name in _FILES:
        return "File"
    return "Directory" if name == "Directory" else {"value": PLAIN_VALUES.get(name)}


def _kind_of_schema(declared: Mapping[str, Any], named: Mapping[str, Any]) -> Kind:
    kind = declared.get("type")
    if kind == "array":
        return {"items": _kind(declared.get("items"), named)}
    if kind == "enum":
        return {"value": next(map(last_part, declared.get("symbols") or ()), None)}
    # A type in the place of a type's name is that type.
    return _kind(kind, named) if isinstance(kind, (list, Mapping)) else {"value": {}}
