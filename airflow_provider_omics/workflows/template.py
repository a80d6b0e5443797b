"""The parameter template: given, kept in the definition, or made of its inputs; and whether it fits them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.shapes import check_shape, service_model

MADE = "made"
"""In place of a template: make one of the definition's own inputs."""
_MOST_PARAMETERS, _MOST_BYTES = 1000, 400_000


def template_issues(template: Any, where: str = "parameter_template") -> Iterator[Issue]:
    """Yield what is wrong with a template by itself.

    :param where: the parameter or the file that it was given in.
    """
    if not isinstance(template, Mapping):
        what, shown = f"is {type(template).__name__}, not an object", repr(template)[:80]
        fix = 'Give parameters by name, each as {"description": ..., "optional": ...}'
        if isinstance(template, str):
            what = f"is {shown}, neither an object nor {MADE!r}"
            fix += "; a JSON file of the definition is given as parameter_template_path"
        yield Issue(where, what, fix)
        return
    if len(template) > _MOST_PARAMETERS:
        what = f"has {len(template):,} parameters, more than {_MOST_PARAMETERS:,}"
        yield Issue(where, what, "Leave out optional ones, or take several as one")
    size = len(json.dumps(template, default=str).encode())
    if size > _MOST_BYTES:
        yield Issue(where, f"takes {size:,} bytes, more than {_MOST_BYTES:,}", "Shorten the descriptions")
    yield from check_shape(service_model().shape_for("WorkflowParameterTemplate"), template, where)


def mismatches(
    template: Mapping[str, Any], defined: Mapping[str, Mapping[str, Any]], where: str, main: str
) -> Iterator[Issue]:
    """Yield where a template and the inputs of a definition differ so that runs fail.

    :param defined: the template that the definition's own inputs make.
    :param main: path of the main file.
    """
    for name in sorted(filter(_is_text, template.keys() - defined.keys())):
        like = get_close_matches(name, defined, n=1)
        meant = f"Write {like[0]}" if like else "Remove it, or add the input to the definition"
        yield Issue(f"{where}.{name}", f"is no input of {main}", meant)
    for name, about in defined.items():
        if about.get("optional"):
            continue
        if name not in template:
            yield Issue(f"{where}.{name}", f"is missing, and {main} requires it", "Add it")
        elif isinstance(template[name], Mapping) and template[name].get("optional"):
            what = f"is called optional, and {main} requires it"
            yield Issue(f"{where}.{name}", what, "Say that it is not optional, or give the input a default")


def in_file(issue: Issue, path: str, text: str, names: Iterable[str]) -> Issue:
    """Return what is wrong with a template that a file has, with the line.

    :param issue: with its place as ``template.json.name.member``.
    :param names: the parameters that the file has.
    """
    inner = issue.where.removeprefix(f"{path}.")
    if inner == issue.where:
        return replace(issue, where=f"{path}:1") if inner == path else issue
    name = max((each for each in names if inner == each or inner.startswith(f"{each}.")), key=len, default=None)
    # As a file may write it: with letters that are not ASCII, or escapes in their place.
    written = () if name is None else {re.escape(json.dumps(name, ensure_ascii=each)) for each in (True, False)}
    found = re.search(rf"(?:{'|'.join(written)})\s*:", text) if written else None
    line = 1 if found is None else text.count("\n", 0, found.start()) + 1
    return replace(issue, where=f"{path}:{line}: {inner}")


def _is_text(name: Any) -> bool:
    return isinstance(name, str)
