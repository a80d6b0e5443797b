"""The places that the samples of a cohort name as inputs: whether HealthOmics can read them there."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from airflow_provider_omics.healthomics.requests.input_objects import InputObjects
from airflow_provider_omics.healthomics.requests.input_places import (
    Finding,
    Gravity,
    judge_place,
    name_of,
    place_message,
    texts_of,
)
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.s3_uris import MAX_KEY_BYTES, is_bucket_name, uris_in_json
from airflow_provider_omics.healthomics.run_settings.first_of import FirstOf
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation, exact_place
from airflow_provider_omics.healthomics.run_settings.notes import Notes
from airflow_provider_omics.healthomics.run_settings.other_texts import OtherTexts
from airflow_provider_omics.healthomics.run_settings.same_reads import SameReads
from airflow_provider_omics.healthomics.run_settings.sample_sheets import SampleSheetOptions
from airflow_provider_omics.healthomics.run_settings.samples import Sample

_SHOWN = 5
# The first samples of a shape tell which parameters are given S3 URIs.
_LEARNING = 3
_ODD = ("<", "$", "\\", "~", "%", "./", ':"/', '"s3/')


class _Value(NamedTuple):
    numbers: tuple[int, ...]
    path: str
    finding: Finding


class InputChecks:
    """Checks the input locations of one cohort, sample by sample.

    :param same_reads: notes inputs that are given twice; None for not at all.
    :param objects: notes every input in S3; None for none.
    :param sheets: how the samples' rows become sheets, which are no inputs themselves but name some.
    :param texts: parameters whose values are text, whatever others have there.
    """

    def __init__(
        self,
        origin: SourceLocation,
        same_reads: SameReads | None = None,
        objects: InputObjects | None = None,
        sheets: SampleSheetOptions | None = None,
        texts: Collection[str] = (),
    ) -> None:
        self._origin = origin
        self._same_reads = same_reads
        self._objects = objects
        self._sheets = sheets
        self._good_buckets: set[str] = set()
        self._seen_of_shape: dict[tuple[str, ...], int] = {}
        self._s3_names: set[str] = set()
        self._local: dict[str, FirstOf[_Value]] = {}
        self._told: dict[str, FirstOf[_Value]] = {}
        self._others = OtherTexts(origin, texts)
        self._objects_of_shape: dict[tuple[str, ...], set[str]] = {}

    def check(self, sample: Sample, text: str) -> list[Issue]:
        """Return what is wrong with the places that one sample names.

        :param text: its setting as compact JSON.
        """
        issues: list[Issue] = []
        for number, row in sample.rows:
            issues += self._check((number,), row, json.dumps(row, default=str, separators=(",", ":")), 1)
        parameters = sample.setting.get("parameters")
        if type(parameters) is dict or isinstance(parameters, Mapping):
            issues += self._check(sample.numbers, parameters, text, 2, is_made=bool(sample.rows))
        if self._objects is not None:
            self._note_objects(sample, self._objects)
        return issues

    def closing_issues(self) -> Iterator[Issue]:
        """Yield what only the whole cohort shows to be wrong."""
        for name, values in self._local.items():
            if name in self._s3_names:
                for numbers, path, found in values.first:
                    where = self._origin.member(numbers, path)
                    yield Issue(where, f"{found.what}; others have S3 URIs there", found.fix)
                more = values.count - len(values.first)
                if more:
                    yield Issue(self._origin.name, f"{more:,} more paths of a machine in {name!r}", "Mend those above")
        yield from self._others.issues(self._s3_names)
        if self._same_reads is not None:
            yield from self._same_reads.issues()

    def tell(self, notes: Notes) -> None:
        """Tell of places that only some workflows can read, and of reads that are given twice."""
        for kind, values in self._told.items():
            numbers, path, found = values.first[0]
            notes.add(place_message(kind, values.count, self._origin.member(numbers, path), found.fix), warning=True)
        for name, values in self._local.items():
            if name not in self._s3_names:
                numbers, path, found = values.first[0]
                fix = f"Unless they are in the workflow's container: {found.fix[0].lower()}{found.fix[1:]}"
                where = self._origin.member(numbers, path)
                notes.add(place_message(found.kind, values.count, where, fix), warning=True)
        self._others.tell(self._s3_names, notes)
        if self._same_reads is not None:
            self._same_reads.tell(notes)

    def _note_objects(self, sample: Sample, objects: InputObjects) -> None:
        rows = sample.rows
        if self._sheets is not None and self._sheets.columns is not None:
            columns = self._sheets.columns
            rows = [(number, {name: row[name] for name in columns if name in row}) for number, row in rows]
        for number, row in rows:
            objects.note(row, partial(self._where, (number,), row))
        parameters = sample.setting.get("parameters")
        if isinstance(parameters, Mapping):
            own = self._sheets.parameter if self._sheets is not None else None
            given = {name: value for name, value in parameters.items() if name != own}
            objects.note(given, partial(self._where, sample.numbers, given))

    def _where(self, numbers: tuple[int, ...], given: Mapping[str, Any], path: str) -> str:
        return self._origin.member(*exact_place(self._origin, numbers, given, path))

    def _check(
        self, numbers: tuple[int, ...], given: Mapping[str, Any], text: str, braces: int, *, is_made: bool = False
    ) -> list[Issue]:
        objects = uris_in_json(text)
        members = len(given) + 2 * (braces - 1)
        issues: list[Issue] = []
        shape = tuple(given)
        if not is_made:
            self._others.count(len(objects))
        if (
            self._learns(shape)
            or self._lacks_objects(shape, given, text, len(objects))
            or not self._is_plain(text, objects, members, braces)
        ):
            others: list[tuple[str, str, str]] = []
            for path, value in texts_of(given, "parameters"):
                issues.extend(self._judge(numbers, given, path, value, others))
            names = (name for name, value in given.items() if isinstance(value, str) and value.startswith("s3://"))
            self._objects_of_shape.setdefault(shape, set()).update(names)
            if others and not is_made:
                self._others.add(numbers, others, has_objects=bool(objects))
        if self._same_reads is not None:
            self._same_reads.note(numbers, given, objects)
        return issues

    def _is_plain(self, text: str, objects: list[tuple[str, str]], count: int, braces: int) -> bool:
        """Whether nothing in the JSON text of a flat object can be odd; cheap, since a cohort has a million values.

        :param count: how many members it has.
        :param braces: how many of them JSON needs.
        """
        for bucket, key in objects:
            if bucket not in self._good_buckets:
                if not is_bucket_name(bucket):
                    return False
                self._good_buckets.add(bucket)
            if len(key) > MAX_KEY_BYTES or key[-1:] == " ":
                return False
        for sign in _ODD:
            if sign in text:
                return False
        # No more than JSON's own, and those of the URIs: no other scheme, no drive, no mark of a template.
        return (
            text.count(":") == count + len(objects)
            and text.count("{") == braces
            and ("[" not in text or '"/' not in text)
        )

    def _lacks_objects(self, shape: tuple[str, ...], given: Mapping[str, Any], text: str, objects: int) -> bool:
        """Whether a flat object names fewer or more objects in S3 than others of its shape do."""
        if "[" in text:
            return not objects and bool(self._s3_names)
        named = self._objects_of_shape[shape]
        return objects != len(named) and objects != sum(1 for name in named if given[name])

    def _learns(self, shape: tuple[str, ...]) -> bool:
        seen = self._seen_of_shape.get(shape, 0)
        if seen < _LEARNING:
            self._seen_of_shape[shape] = seen + 1
        return seen < _LEARNING

    def _judge(
        self,
        numbers: tuple[int, ...],
        given: Mapping[str, Any],
        path: str,
        value: str,
        others: list[tuple[str, str, str]],
    ) -> Iterator[Issue]:
        found, name = judge_place(value), name_of(path)
        if found is None:
            if value.startswith("s3://"):
                self._s3_names.add(name)
            elif value and "s3://" not in value and path == f"parameters.{name}":
                others.append((name, path, value))
            return
        numbers, path = exact_place(self._origin, numbers, given, path)
        if found.gravity is Gravity.REFUSED:
            yield Issue(self._origin.member(numbers, path), found.what, found.fix)
        elif found.gravity is Gravity.LOCAL:
            self._local.setdefault(name, FirstOf(_SHOWN)).add(_Value(numbers, path, found))
        else:
            self._told.setdefault(found.kind, FirstOf(_SHOWN)).add(_Value(numbers, path, found))
