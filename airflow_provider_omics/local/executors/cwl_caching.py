"""What tells CWL jobs apart in a run cache, and their outputs as it keeps them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cwltool.command_line_tool import CommandLineTool
from cwltool.job import JobBase
from schema_salad.ref_resolver import uri_file_path

from airflow_provider_omics.local.executors.task_cache import content_digest, key_of

_MADE_UP_ID = re.compile(r"_:[0-9a-f-]{36}")
_KEPT = "kept:"
_FILES = ("File", "Directory")
_DESCRIBING = ("class", "basename", "format", "secondaryFiles")


def is_reusable(tool: CommandLineTool, job: JobBase) -> bool:
    """Whether a job may be left out where its outputs are known (``WorkReuse``)."""
    wanted, _ = tool.get_requirement("WorkReuse")
    enabled = True if wanted is None else wanted.get("enableReuse", True)
    if isinstance(enabled, str):
        enabled = job.builder.do_eval(enabled)
    return bool(enabled) and not job.inplace_update


def job_key(tool: CommandLineTool, job: JobBase, definition: Path) -> str:
    """Return what tells a job apart: the tool with its container, and names and contents of its inputs.

    :param definition: folder of the definition, by whose paths cwltool names everything.
    """
    content = ["CWL", tool.metadata.get("cwlVersion"), tool.tool, tool.requirements, tool.hints, job.builder.job]
    return key_of(_plain(content, definition.as_uri()))


def kept_outputs(value: Any, add: Callable[[Path], str]) -> Any:
    """Return outputs with a mark in place of each location on this machine.

    :param add: keeps a file or folder, and returns what it is found by later.
    """
    return _located(value, "file:", lambda location: f"{_KEPT}{add(Path(uri_file_path(location)))}")


def recalled_outputs(value: Any, path: Callable[[str], Path]) -> Any:
    """Return outputs with the locations that they have in this run.

    :param path: returns the file or folder of what ``add`` had returned for it.
    """
    return _located(value, _KEPT, lambda location: path(location.removeprefix(_KEPT)).as_uri())


def _located(value: Any, prefix: str, change: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_located(item, prefix, change) for item in value]
    if not isinstance(value, Mapping):
        return value
    changed = dict(value)
    if value.get("class") in _FILES and str(value.get("location")).startswith(prefix):
        changed["location"] = change(value["location"])
    return {name: _located(inner, prefix, change) for name, inner in changed.items()}


def _plain(value: Any, root: str) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item, root) for item in value]
    if isinstance(value, Mapping):
        if value.get("class") in _FILES:
            value = _described(value)
        return {str(name): _plain(inner, root) for name, inner in value.items()}
    return _MADE_UP_ID.sub("_:", value.replace(root, "")) if isinstance(value, str) else value


def _described(value: Mapping[str, Any]) -> dict[str, Any]:
    described = {name: value[name] for name in _DESCRIBING if name in value}
    location = str(value.get("location"))
    path = Path(uri_file_path(location)) if location.startswith("file:") else None
    if path is not None and path.exists():
        return {**described, "digest": content_digest(path)}
    return {**described, **{name: value[name] for name in ("contents", "listing") if name in value}}
