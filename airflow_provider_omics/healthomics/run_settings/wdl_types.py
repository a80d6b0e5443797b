"""Reads the types of a WDL workflow's inputs, in a process of its own.

    python -m airflow_provider_omics.healthomics.run_settings.wdl_types FOLDER MAIN

It prints an object of types by name, and reads nothing outside of the folder.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_SCALARS = {"Int": "int", "Float": "float", "Boolean": "boolean", "String": "string", "File": "file"}
_SCALARS |= {"Directory": "directory"}


def main(folder: str, name: str) -> None:
    """Print the types."""
    WDL, document = load_document(folder, name)
    process = entry_of(document)
    if process is None:
        raise ValueError(f"{name} has no workflow")
    # Inputs of calls, which have a dot, are no parameters of a run.
    inputs = {binding.name: binding.value.type for binding in process.available_inputs if "." not in binding.name}
    types = {name: _type(kind, WDL.Type) for name, kind in inputs.items()}
    print(json.dumps({name: kind for name, kind in types.items() if kind is not None}))


def entry_of(document: Any) -> Any | None:
    """Return what a run of miniwdl's document begins with: its workflow, or its one task; None if it has neither."""
    return document.workflow or (document.tasks[0] if len(document.tasks) == 1 else None)


def load_document(folder: str, name: str) -> tuple[Any, Any]:
    """Return miniwdl, and a document that it has loaded, with nothing from outside of its folder."""
    # It may be missing, as it is where types are checked.
    WDL: Any = import_module("WDL")
    root = Path(folder).resolve()

    async def read_source(uri: str, path: list[str], importer: Any) -> Any:
        found = await WDL.read_source_default(uri, path, importer)
        if not Path(found.abspath).resolve().is_relative_to(root):
            raise ValueError(f"{uri} is outside of the definition")
        return found

    return WDL, WDL.load(str(root / name), check_quant=False, read_source=read_source)


def _type(kind: Any, types: Any) -> str | None:
    if isinstance(kind, types.Array):
        item = _type(kind.item_type, types)
        if item is None:
            return None
        return "json" if item == "json" or item.endswith("[]") else f"{item}[]"
    if isinstance(kind, (types.Map, types.Pair, types.StructInstance)):
        return "json"
    return _SCALARS.get(type(kind).__name__)


if __name__ == "__main__":
    main(*sys.argv[1:])
