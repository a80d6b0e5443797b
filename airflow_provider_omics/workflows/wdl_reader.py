"""Reads a WDL definition with miniwdl, in a process of its own.

    python -m airflow_provider_omics.workflows.wdl_reader FOLDER MAIN

It prints an object: ``template``, the parameters by name, or ``problems``, each with ``file``, ``line``, ``column`` and
``message``. It reads nothing outside of the folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_provider_omics.healthomics.run_settings.wdl_types import entry_of, load_document
from airflow_provider_omics.workflows.wdl_template import wdl_template


def main(folder: str, name: str) -> None:
    """Print what the definition says, or what is wrong with it."""
    try:
        _, document = load_document(folder, name)
    except Exception as error:  # miniwdl's own, and whatever a file can make of it
        root = Path(folder).resolve()
        print(json.dumps({"problems": [_problem(one, root, name) for one in _causes(error)]}))
        return
    process = entry_of(document)
    if process is None:
        what = f"has {len(document.tasks)} tasks and no workflow" if document.tasks else "has no workflow"
        print(json.dumps({"problems": [{"file": name, "line": 1, "column": 1, "message": what}]}))
        return
    print(json.dumps({"template": wdl_template(process)}))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that a person has to mend: of a file that cannot be imported, what is wrong with it."""
    several = getattr(error, "exceptions", None)
    if several:
        for one in several:
            yield from _causes(one)
    elif error.__cause__ is not None and getattr(error.__cause__, "pos", None) is not None:
        yield from _causes(error.__cause__)
    else:
        yield error


def _problem(error: BaseException, root: Path, name: str) -> dict[str, Any]:
    pos = getattr(error, "pos", None)
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error.__cause__, FileNotFoundError):
        message += ", since there is no such file"
    if pos is None:
        return {"file": name, "line": 1, "column": 1, "message": message}
    path = Path(pos.abspath or name)
    inside = path.relative_to(root).as_posix() if path.is_relative_to(root) else name
    return {"file": inside, "line": max(pos.line, 1), "column": max(pos.column, 1), "message": message}


if __name__ == "__main__":
    main(*sys.argv[1:])
