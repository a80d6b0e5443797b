"""Reads a WDL definition with miniwdl, in a process of its own.

    python -m airflow_provider_omics.workflows.wdl_reader FOLDER MAIN

It prints an object: ``template``, the parameters by name, or ``problems``, each with ``file``, ``line``, ``column``,
``message`` and ``fix``. Of problems it prints what it knows so far, again in a line whenever it
knows more. It reads nothing outside of the folder.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from airflow_provider_omics.healthomics.run_settings.wdl_types import entry_of, load_document
from airflow_provider_omics.workflows.wdl_problems import Problem, find_problems
from airflow_provider_omics.workflows.wdl_template import wdl_template


def main(folder: str, name: str) -> None:
    """Print what the definition says, or what is wrong with it."""
    try:
        _, document = load_document(folder, name)
    except Exception as error:  # miniwdl's own, and whatever a file can make of it
        for known in find_problems(folder, name, error):
            _refuse(known)
        return
    process = entry_of(document)
    if process is None:
        what = f"has {len(document.tasks)} tasks and no workflow" if document.tasks else "has no workflow"
        _refuse([Problem(name, 1, 1, what, "Give main, the path of the file that has the workflow")])
        return
    print(json.dumps({"template": wdl_template(process)}))


def _refuse(problems: list[Problem]) -> None:
    print(json.dumps({"problems": [asdict(problem) for problem in problems]}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
