"""The validator of run settings: each alone, together with the defaults, and with the others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_omics.healthomics.requests.checks import (
    MAX_PARAMETERS_BYTES,
    document_issues,
    output_issues,
    parameter_issues,
    tag_issues,
)
from airflow_provider_omics.healthomics.requests.coercion import coerce
from airflow_provider_omics.healthomics.requests.invisible import hidden, trimmed
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.shapes import check_shape, inline_setting_shape
from airflow_provider_omics.healthomics.requests.start_run_batch import unknown_member
from airflow_provider_omics.healthomics.run_settings.inputs import InputChecks
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation
from airflow_provider_omics.healthomics.run_settings.samples import Sample
from airflow_provider_omics.healthomics.run_settings.spool import compact

ID = "runSettingId"
_DOCUMENTS = ("parameters", "engineSettings")


class SettingValidator:
    """Validates the run settings of one input, in their order.

    :param defaults: the ``defaultRunSetting`` that they are merged with.
    :param inputs: checks the input locations of the samples.
    :param each_row: whether every row is a sample of its own, as ``group_rows`` would change.
    """

    def __init__(
        self, origin: SourceLocation, defaults: Mapping[str, Any], inputs: InputChecks, *, each_row: bool
    ) -> None:
        self._origin = origin
        self._inputs = inputs
        self._each_row = each_row
        self._shape = inline_setting_shape()
        self._parameters = _mapping(defaults.get("parameters"))
        self._tags = _mapping(defaults.get("runTags"))
        self._default_size = len(json.dumps(self._parameters, default=str))
        # With spaces after each comma and colon, as it is measured, JSON is at most twice as long as without.
        self._small = (MAX_PARAMETERS_BYTES - self._default_size) // 2
        longest = self._shape.members[ID].metadata.get("max", 0)
        self._is_plain_id = re.compile(f"[!-~]{{1,{longest}}}").fullmatch
        self._has_output = defaults.get("outputUri") is not None
        self._first_of: dict[str, int] = {}
        self._without_output = 0
        self._first_without_output: tuple[int, ...] = ()

    def check(self, sample: Sample) -> tuple[str, list[Issue]]:
        """Check one sample.

        :return: its setting as JSON, empty if it has no form in JSON, and everything that is wrong with it.
        """
        setting = sample.setting
        plain = self._is_plain(setting)
        issues = [] if plain else list(self._own_issues(setting))
        try:
            text = compact(setting)
        except (TypeError, ValueError, RecursionError):
            text = ""
            issues.extend(_unwritable_issues(setting))
        if not plain or len(text) > self._small:
            issues.extend(self._merged_issues(setting, len(text)))
        issues.extend(self._duplicate_issues(sample))
        self._note_output(sample)
        found = [self._placed(issue, sample) for issue in issues]
        found.extend(self._inputs.check(sample, text))
        return text, found

    def closing_issues(self) -> Iterator[Issue]:
        """Yield what is wrong with many samples at once."""
        if self._without_output:
            first = self._origin.place(self._first_without_output)
            yield Issue(
                "output_uri",
                f"is missing, and {self._without_output:,} run settings have no outputUri either, the first: {first}",
                "Give output_uri for all runs, or outputUri in every run setting",
            )
        yield from self._inputs.closing_issues()

    def _is_plain(self, setting: Mapping[str, Any]) -> bool:
        """Whether a setting has nothing but parameters and an id of characters that nobody can take for others."""
        return (
            len(setting) == 2
            and type(setting.get("parameters")) is dict
            and type(setting.get(ID)) is str
            and self._is_plain_id(setting[ID]) is not None
        )

    def _own_issues(self, setting: Mapping[str, Any]) -> Iterator[Issue]:
        members = self._shape.members
        yield from self._id_issues(setting.get(ID))
        for name, value in setting.items():
            if name == ID:
                continue
            if name not in members:
                yield unknown_member(str(name), self._shape)
            elif name in _DOCUMENTS:
                if not isinstance(value, dict):
                    yield from document_issues(name, value)
            else:
                yield from check_shape(members[name], value, name)
        yield from output_issues(setting)

    def _id_issues(self, run_setting_id: Any) -> Iterator[Issue]:
        if run_setting_id is None:
            yield Issue(ID, "is missing", "Give one, or name in run_setting_id_column where it stands in a flat row")
        elif run_setting_id == "":
            yield Issue(ID, "is empty", "Give every run setting an id of its own")
        elif isinstance(run_setting_id, str) and run_setting_id != trimmed(run_setting_id):
            yield Issue(ID, f"{run_setting_id!r} has spaces around it", "Remove the spaces")
        elif isinstance(run_setting_id, str) and hidden(run_setting_id, controls=True):
            what = f"{run_setting_id!r} has a character that is not seen, {hidden(run_setting_id, controls=True)}"
            yield Issue(ID, what, "Write the id anew")
        else:
            yield from check_shape(self._shape.members[ID], run_setting_id, ID)

    def _merged_issues(self, setting: Mapping[str, Any], size: int) -> Iterator[Issue]:
        tags = setting.get("runTags")
        if isinstance(tags, Mapping):
            yield from tag_issues("runTags", {**self._tags, **tags})
        parameters = setting.get("parameters")
        if isinstance(parameters, dict) and size > self._small:
            yield from parameter_issues({**self._parameters, **parameters})

    def _duplicate_issues(self, sample: Sample) -> list[Issue]:
        run_setting_id = sample.setting.get(ID)
        if not isinstance(run_setting_id, str) or not run_setting_id:
            return []
        first = self._first_of.setdefault(run_setting_id, sample.numbers[0])
        if first == sample.numbers[0]:
            return []
        fix = "Give every run setting its own id"
        rows = "Give every row its own id, or set group_rows=True to make one run of the rows of a sample"
        what = f"{run_setting_id!r} is the id of {self._origin.place([first])} too"
        return [Issue(ID, what, rows if self._each_row else fix)]

    def _note_output(self, sample: Sample) -> None:
        if not self._has_output and sample.setting.get("outputUri") is None:
            if not self._without_output:
                self._first_without_output = sample.numbers
            self._without_output += 1

    def _placed(self, issue: Issue, sample: Sample) -> Issue:
        return replace(issue, where=self._origin.member(sample.numbers, issue.where))


def normal_form(setting: Mapping[str, Any], *, restored: bool) -> dict[str, Any]:
    """Return a run setting without the members that are None, which are not sent.

    :param restored: give values the types that templates, or a function of the user, took from them.
    """
    given = {name: value for name, value in setting.items() if value is not None}
    if not restored:
        return given
    members = inline_setting_shape().members
    return {name: _restored(members.get(name), value) for name, value in given.items()}


def _restored(shape: Any, value: Any) -> Any:
    # Text of the API can be a JSON document; an id, a name or a URI never is one.
    if shape is not None and shape.type_name == "string" and isinstance(value, (Mapping, list)):
        return value
    return coerce(shape, value)


def _unwritable_issues(setting: Mapping[str, Any]) -> Iterator[Issue]:
    # Members of every other type are sound JSON, or have been found not to be what the model says.
    for name in _DOCUMENTS:
        for member, value in _mapping(setting.get(name)).items():
            yield from document_issues(f"{name}.{member}", {member: value})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
