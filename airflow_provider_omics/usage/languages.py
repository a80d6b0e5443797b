"""What workflow languages call the tasks of a run, and how they ask for vCPUs and memory."""

from __future__ import annotations

import re

# What engines put behind the name of a task to tell its calls apart: shard and try, the tag of a process, a number.
_CALLS = {
    "WDL": re.compile(r"(?:-\d+)+$"),
    "NEXTFLOW": re.compile(r"\s+\(.*\)$", re.DOTALL),
    "CWL": re.compile(r"_\d+$"),
}


def language_of(engine: str | None) -> str | None:
    """Return the language of an engine: ``WDL`` (also of WDL_LENIENT), ``NEXTFLOW`` or ``CWL``; None for others."""
    name = (engine or "").upper().partition("_")[0]
    return name if name in _CALLS else None


def base_name(name: str, language: str | None) -> str:
    """Return the name of a task without what tells its calls apart: shards, tries, tags.

    :param language: None if it is not known, and the name is then as it is.
    """
    pattern = _CALLS.get(language or "")
    return (pattern.sub("", name) if pattern else name) or name


def snippet(name: str, language: str | None, cpus: int, memory: int) -> str | None:
    """Return what sets vCPUs and GiB of a task in the workflow's language; None for an unknown one."""
    if language == "WDL":
        return f'runtime {{\n  cpu: {cpus}\n  memory: "{memory} GiB"\n}}'
    if language == "NEXTFLOW":
        process = name.replace("\\", "\\\\").replace("'", "\\'")
        return f"process {{\n  withName: '{process}' {{\n    cpus = {cpus}\n    memory = {memory}.GB\n  }}\n}}"
    if language == "CWL":
        return f"requirements:\n  ResourceRequirement:\n    coresMin: {cpus}\n    ramMin: {memory * 1024}"
    return None
