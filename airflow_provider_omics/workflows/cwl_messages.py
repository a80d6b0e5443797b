"""What cwltool says of documents that are not valid, as issues with file, line and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.workflows.cwl_references import References

_CORRECT = "Correct it there"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PLACE = re.compile(r"(?P<place>(?P<file>[^\s:]+):(?P<line>\d+):(?P<column>\d+)):(?P<rest>.*)")
_ADDRESS = re.compile(r"\(\d+\) ")
_TRIED = re.compile(r", tried \S.*$")
_FAILED = re.compile(r"failed (?:validation|initialization):")
_QUOTED = re.compile(r"'([^']+)'")
_FIELD = re.compile(r"invalid field '(?P<name>[^']+)', expected one of: (?P<known>.*)")
# What only leads to what is wrong: it begins like that, or ends so.
_CONTEXT, _LEADS = ("checking ", "while ", "tried "), (" because", " but", " failed validation:")
# What is said in two lines, of which the second, or the first, has the place to look at.
_INCOMPATIBLE, _HALVES = " is incompatible", (" is incompatible", " does not correspond to")
_NEEDED = ("inputs", "outputs", "steps", "in", "out", "run")
_MOST_PROBLEMS, _MOST_SHOWN = 20, 500


@dataclass
class _Entry:
    where: str
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return _TRIED.sub("", " ".join(self.texts)).rstrip(".")

    @property
    def is_context(self) -> bool:
        return not self.text or self.text.startswith(_CONTEXT) or self.text.endswith(_LEADS)


def cwltool_issues(output: str, main: str, references: References | None = None) -> Iterator[Issue]:
    """Yield what cwltool says of a document that is not valid, each with the innermost place that it names.

    :param output: all that it printed, with paths as the definition has them.
    :param main: path of the document.
    :param references: what the definition's documents say, to find what has no place.
    """
    plain = _ANSI.sub("", output)
    entries = [entry for entry in _joined(_entries(plain, main)) if not entry.is_context]
    if not entries:
        lines = [line.strip() for line in plain.splitlines() if line.strip()]
        texts = [line for line in lines if not line.startswith("INFO ")][-1:] or ["no reason is given"]
        entries = [_Entry(main, [f"cwltool refuses it: {texts[0]}"])]
    for entry in entries[:_MOST_PROBLEMS]:
        text = _ADDRESS.sub("", entry.text)[:_MOST_SHOWN]
        if entry.where not in (main, f"{main}:1") or references is None:
            yield Issue(entry.where, text, _remedy(text))
        else:
            yield from _placed(entry.where, text, references)


def _entries(plain: str, main: str) -> list[_Entry]:
    entries = [_Entry(f"{main}:1")]
    match = _FAILED.search(plain)
    for line in plain[match.end() :].splitlines() if match is not None else ():
        match = _PLACE.match(line.strip())
        text = (match["rest"] if match else line).strip()
        if match is not None:
            entries.append(_Entry(match["place"]))
        elif entries[-1].texts and entries[-1].is_context:
            entries.append(_Entry(entries[-1].where))
        if text:
            entries[-1].texts.append(text)
    return entries


def _joined(entries: list[_Entry]) -> Iterator[_Entry]:
    pending: _Entry | None = None
    for entry in entries:
        if pending is not None:
            where = entry.where if pending.text.endswith(_INCOMPATIBLE) else pending.where
            entry, pending = _Entry(where, [pending.text, entry.text]), None
        if entry.text.endswith(_HALVES):
            pending = entry
        else:
            yield entry
    if pending is not None:
        yield pending


def _placed(where: str, text: str, references: References) -> Iterator[Issue]:
    """Yield what cwltool says without a place, with the place that its words lead to."""
    empty = list(references.empty_members(_NEEDED)) if "NoneType" in text else []
    for place, name in empty:
        yield Issue(place, f"{name} has no value", f"Write {name}: [] if there are none")
    if not empty:
        words = [*_QUOTED.findall(text), *(["scatter"] if "contains scatter" in text else [])]
        places = (references.place(word) for word in words)
        yield Issue(next((place for place in places if place is not None), where), text, _remedy(text))


def _remedy(text: str) -> str:
    match = _FIELD.match(text)
    if match is not None:
        like = get_close_matches(match["name"], _QUOTED.findall(match["known"]), n=1)
        return f"Write {like[0]}" if like else "Remove it, or correct its name"
    for said, fix in _REMEDIES.items():
        if said in text:
            return fix
    return _CORRECT


_REMEDIES = {
    "unknown identifier": "Correct the name, or define what it names",
    "is incompatible": "Give both the same type, or change the value in between with valueFrom",
    "Step is missing required parameter": "Give it in the step's in",
    "ScatterFeatureRequirement": "Add requirements: {ScatterFeatureRequirement: {}}",
    "SubworkflowFeatureRequirement": "Add requirements: {SubworkflowFeatureRequirement: {}}",
    "StepInputExpressionRequirement": "Add requirements: {StepInputExpressionRequirement: {}}",
    "MultipleInputFeatureRequirement": "Add requirements: {MultipleInputFeatureRequirement: {}}",
    "section is not valid": "Write it, as an empty map if there is nothing in it",
    "not found in file": "Correct the id, or give it to the process that is meant",
    "undefined reference to": "Correct the name",
    "duplicate key": "Remove one of both",
    "does not correspond to": "Name an output that the step's tool has",
}
