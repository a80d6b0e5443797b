"""What the samples of a batch are given as, and how they are checked before anything is submitted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortCheckpoint
from airflow_provider_omics.healthomics.requests.input_places import input_place_notes
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.parameter_template import WorkflowParameters, look_up_parameters
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort, SheetOptions, read_cohort
from airflow_provider_omics.healthomics.run_settings.definition_types import is_exported
from airflow_provider_omics.healthomics.run_settings.parameters_file import file_of, read_parameters
from airflow_provider_omics.healthomics.run_settings.sample_sheets import SampleSheetOptions, sample_sheet_issues
from airflow_provider_omics.healthomics.run_settings.samples import rows_only_issue
from airflow_provider_omics.healthomics.run_settings.sources import is_known_as_json
from airflow_provider_omics.healthomics.run_settings.template import template_issues
from airflow_provider_omics.hooks.arguments import ARGUMENTS, as_read
from airflow_provider_omics.operators.definition_types import look_up_types
from airflow_provider_omics.operators.lineage import OmicsLineageOperator
from airflow_provider_omics.operators.private_argument import PrivateArgument

INPUT_TEMPLATE_FIELDS = (
    "run_settings",
    "run_setting_id_column",
    "sheet_section",
    "sheet_delimiter",
    "sheet_encoding",
    "sample_sheet_parameter",
    "sample_sheet_columns",
    "duplicate_inputs",
    "check_inputs",
)
"""The template fields that say what the samples are."""


class OmicsCohortInputOperator(OmicsLineageOperator[BatchSnapshot]):
    """Base of the operator that runs a cohort: its samples, read from a list, a file or a sheet.

    :param run_settings: the samples, 1 to 100,000: a list of InlineSetting objects by the API's names
        (``runSettingId``, ``parameters``, ``name``, ``outputUri``, ``priority``, ``runTags``, ...), or a path or
        ``s3://`` URI of them as JSON or JSONL, or of a sheet as CSV or TSV; plain or gzipped. Required.
    :param run_setting_id_column: column of a sheet that names the sample; all other columns become parameters of the
        same name, and empty cells are not sent. It is a parameter too where the workflow's template has one of its
        name. Objects of a list, JSON or JSONL are then rows of a sheet too. Spaces around ids, values and column names
        of a sheet are removed, and counted in the log.
    :param group_rows: whether rows of the same id are one sample, whose other columns become lists in row order; if
        not, they are an error. Default ``False``.
    :param build_run_setting: makes a sample's run setting out of its rows, for any other shape: takes a list of dicts
        by column, returns an InlineSetting object.
    :param non_sample_rows: what becomes of rows of a sheet that are no samples (commented out, notes, totals, section
        headers, a second header, whatever stands above the header): ``fail`` names each, ``skip`` leaves them out and
        counts them in the log. Default ``fail``.
    :param sheet_section: the section that holds the samples, in a sheet of several tables: ``Data`` of an Illumina
        sample sheet v1, ``BCLConvert_Data`` of v2, ``libraries`` of a 10x multi configuration.
    :param sheet_delimiter: the character that divides the cells of a sheet; the default is a tab in ``.tsv``, a comma
        in ``.csv``, and whatever a first line such as ``sep=;`` names.
    :param sheet_encoding: how the characters of a sheet are written, by Python's names (``utf-16``, ``windows-1252``,
        ``shift_jis``, ...); the default is UTF-8.
    :param parameter_types: what the cells of a sheet are, by column: ``int``, ``float``, ``boolean``, ``string``,
        ``json``, or one of them and ``[]`` for a list written as JSON. Without a type a cell is sent as the text that
        it shows, and a column of numbers, booleans or JSON is logged. Cells that do not fit are refused. With
        ``run_setting_id_column``, text of a list's, JSON's or JSONL's rows is read so too, and other values checked.
    :param sample_sheet_parameter: the parameter that takes a sheet, for workflows whose input is one (``input`` of
        nf-core's pipelines): every sample's rows are written to S3 as a sheet of their own, below ``settings_uri``, and
        the parameter gets its URI. The columns are then no parameters.
    :param sample_sheet_columns: the columns of these sheets, in their order; the default is all, as they were.
    :param duplicate_inputs: what becomes of reads that are given to two samples, or twice to one: ``warn`` logs it,
        ``fail`` refuses it, ``off`` does not check. References, intervals and whatever most samples have in common are
        not reads. Default ``warn``.
    :param types_from_definition: whether columns without a type of their own take the one that the workflow's
        definition has for the parameter, as far as it can be read (GetWorkflow with ``export``, at most 20 MiB): CWL,
        Nextflow with a ``nextflow_schema.json``, and WDL where miniwdl is installed. It is read once for a task
        instance and kept below ``settings_uri`` for its retries; without it cells stay text. Not for
        ``build_run_setting``, ``sample_sheet_parameter``, shared workflows, or without ``validate_parameters``. Default
        ``True``.
    :param validate_parameters: whether every sample's parameter names are compared with the workflow's parameter
        template first, and with those of the Nextflow profiles that its engine settings choose, which needs
        ``omics:GetWorkflow`` (``omics:GetWorkflowVersion`` for a version). Default ``True``.
    """

    run_settings: Any = PrivateArgument()
    default_run_setting: Any = PrivateArgument()

    def __init__(
        self,
        *,
        run_settings: Any,
        run_setting_id_column: str | None = None,
        group_rows: bool | str = False,
        build_run_setting: Callable[[list[dict[str, str]]], Mapping[str, Any]] | None = None,
        non_sample_rows: str = "fail",
        sheet_section: str | None = None,
        sheet_delimiter: str | None = None,
        sheet_encoding: str | None = None,
        parameter_types: dict[str, str] | str | None = None,
        sample_sheet_parameter: str | None = None,
        sample_sheet_columns: Sequence[str] | None = None,
        duplicate_inputs: str = "warn",
        types_from_definition: bool | str = True,
        validate_parameters: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.run_settings = run_settings
        self.run_setting_id_column = run_setting_id_column
        self.group_rows: bool = as_read(group_rows)
        self.build_run_setting = build_run_setting
        self.non_sample_rows = non_sample_rows
        self.sheet_section = sheet_section
        self.sheet_delimiter = sheet_delimiter
        self.sheet_encoding = sheet_encoding
        self.parameter_types: dict[str, str] | None = as_read(parameter_types)
        self.sample_sheet_parameter = sample_sheet_parameter
        self.sample_sheet_columns = sample_sheet_columns
        self.duplicate_inputs = duplicate_inputs
        self.types_from_definition: bool = as_read(types_from_definition)
        self.validate_parameters: bool = as_read(validate_parameters)
        self._known_workflow: WorkflowParameters | None = None

    def instance_issues(self, plain: Mapping[str, Any]) -> Iterable[Issue]:
        """Return what is wrong with how run settings are to be read, as far as they are seen to be no sheet."""
        if {"sample_sheet_parameter", "sample_sheet_columns"} <= plain.keys():
            yield from sample_sheet_issues(plain["sample_sheet_parameter"], plain["sample_sheet_columns"], {})
        given, names_column = self.run_settings, plain.get("run_setting_id_column", "") is not None
        if names_column or (isinstance(given, str) and not self.is_literal(given)) or not is_known_as_json(given):
            return
        read = {name: ARGUMENTS[name].read(value) for name, value in plain.items() if name in ARGUMENTS}
        issue = rows_only_issue({**plain, **read, "build_run_setting": self.build_run_setting})
        if issue is not None:
            yield issue

    def read_cohort(
        self, defaults: Mapping[str, Any], sheet_place: Callable[[], str], types_uri: Callable[[], str]
    ) -> Cohort:
        """Read the samples and check them, and log what was done to them on the way.

        :param defaults: the ``defaultRunSetting`` of the batch.
        :param sheet_place: returns the folder in S3 for the sheets of samples.
        :param types_uri: returns where the types are kept that come from the workflow's definition.
        :return: the samples; who gets them closes them.
        :raises OmicsRequestInvalidError: with everything that is wrong with them.
        """
        wrong = list(sample_sheet_issues(self.sample_sheet_parameter, self.sample_sheet_columns, defaults))
        if wrong:
            raise OmicsRequestInvalidError("StartRunBatch", wrong)
        options = self._sheet_options(defaults, sheet_place, types_uri)
        cohort = read_cohort(self.run_settings, options, defaults, self.hook.inputs.open)
        for line in input_place_notes(defaults.get("parameters")):
            self.log.warning("%s", entry(line))
        for note in cohort.notes:
            (self.log.warning if note.warning else self.log.info)("%s", note.text)
        if self.validate_parameters:
            try:
                self._compare_parameters(cohort, defaults)
            except BaseException:
                cohort.close()
                raise
        return cohort

    def keep_parameters(self, checkpoint: CohortCheckpoint) -> None:
        """Keep what a file of parameters held, so that samples that are submitted again are given the same."""
        if self._parameters_in is not None:
            content = json.dumps(self._parameters_in[1]).encode()
            self.hook.storage.put_all_once([(_parameters_uri(checkpoint), content)], "application/json")

    def recall_parameters(self, checkpoint: CohortCheckpoint) -> None:
        """Take the parameters as they were read from a file when the batch was started."""
        name = file_of(self.parameters)
        if name is None:
            return
        kept, storage = _parameters_uri(checkpoint), self.hook.storage
        try:
            held = self.retrying(lambda: read_parameters("StartRunBatch", kept, storage.open))
        except OmicsServiceError as error:
            if error.code != "NoSuchKey":
                raise
            # The parameters were no file when the batch was started.
            return
        self._parameters_in = name, held

    def look_for_inputs(self, cohort: Cohort, defaults: Mapping[str, Any]) -> None:
        """Look for the inputs of all samples in S3, if that is wanted.

        :param defaults: the ``defaultRunSetting`` of the batch.
        :raises OmicsRequestInvalidError: inputs are missing, archived or denied, and that is refused.
        """
        if cohort.objects is not None:
            cohort.objects.note(defaults.get("parameters"))
            self.look_for("StartRunBatch", cohort.objects)

    def _sheet_options(
        self, defaults: Mapping[str, Any], sheet_place: Callable[[], str], types_uri: Callable[[], str]
    ) -> SheetOptions:
        parameter = self.sample_sheet_parameter
        return SheetOptions(
            run_setting_id_column=self.run_setting_id_column,
            group_rows=self.group_rows,
            build_run_setting=self.build_run_setting,
            non_sample_rows=self.non_sample_rows,
            sheet_section=self.sheet_section,
            sheet_delimiter=self.sheet_delimiter,
            sheet_encoding=self.sheet_encoding,
            parameter_types=self.parameter_types,
            duplicate_inputs=self.duplicate_inputs,
            notes_objects=self.looks_for_inputs,
            sample_sheets=(
                SampleSheetOptions(parameter, self.sample_sheet_columns, sheet_place())
                if parameter is not None
                else None
            ),
            known_parameters=lambda: self._workflow(defaults).names if self.validate_parameters else frozenset(),
            defined_types=lambda: self._defined_types(types_uri(), defaults),
        )

    def _defined_types(self, uri: str, defaults: Mapping[str, Any]) -> Mapping[str, str]:
        if not self._wants_definition(defaults):
            return {}
        return look_up_types(self.hook, uri, defaults["workflowId"], self._workflow(defaults), self.log)

    def _wants_definition(self, defaults: Mapping[str, Any]) -> bool:
        columns_are_parameters = (
            self.run_setting_id_column is not None
            and self.build_run_setting is None
            and self.sample_sheet_parameter is None
        )
        wanted = self.types_from_definition and self.validate_parameters
        return wanted and columns_are_parameters and is_exported(defaults)

    def _compare_parameters(self, cohort: Cohort, defaults: Mapping[str, Any]) -> None:
        issues = template_issues(cohort, self._workflow(defaults), defaults.get("engineSettings"))
        if issues:
            raise OmicsRequestInvalidError("StartRunBatch", issues)

    def _workflow(self, defaults: Mapping[str, Any]) -> WorkflowParameters:
        if self._known_workflow is None:
            try:
                requests = look_up_parameters(defaults, definition=self._wants_definition(defaults))
                self._known_workflow = self.hook.send_requests(requests, f"workflow {defaults['workflowId']}")
            except OmicsServiceError as error:
                if error.failure_class is not FailureClass.PERMISSION or error.operation == "Connecting":
                    raise
                remedy = f"{error.explanation.remedy}; or set validate_parameters=False to do without"
                raise OmicsServiceError(replace(error.explanation, remedy=remedy)) from error.__cause__
        return self._known_workflow


def _parameters_uri(checkpoint: CohortCheckpoint) -> str:
    """Return where the parameters are kept, by the digest of all that the samples share."""
    return f"{checkpoint.settings_place}/parameters-{checkpoint.cohort.partition('-')[0]}.json"
