"""Operators for batches: start, cancel, delete."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_omics.account.auto_cache import auto_cache_issues, with_unknown_cache
from airflow_provider_omics.healthomics.discovery.checkpoint import BATCH_TAG_COUNT
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.literal_requests import start_run_batch_issues
from airflow_provider_omics.healthomics.requests.shapes import api_name
from airflow_provider_omics.healthomics.requests.start_run_batch import (
    DEFAULT_RUN_SETTING_FIELDS,
    build_default_run_setting,
    build_start_run_batch,
)
from airflow_provider_omics.healthomics.run_settings.parameters_file import without_file
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.operators.batch_end import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
)
from airflow_provider_omics.operators.cohort_base import OmicsCohortOperator
from airflow_provider_omics.operators.cohort_input import INPUT_TEMPLATE_FIELDS
from airflow_provider_omics.workflows.lookup import with_unknown_id, workflow_name_issues

# Where a user looks for them.
__all__ = [
    "OmicsCancelRunBatchOperator",
    "OmicsDeleteBatchOperator",
    "OmicsDeleteRunBatchOperator",
    "OmicsStartRunBatchOperator",
]


class OmicsStartRunBatchOperator(OmicsCohortOperator):
    """Run a workflow on every sample of a cohort as one HealthOmics batch, and wait until all have ended.

    Each sample is run once, however often the task is tried: a later try finds the batch of an earlier one, and
    submits only the samples that did not complete, in a batch of their own. Results are merged over all batches.

    Returns the id of the last batch. Pushes ``batch_id`` and ``batch_arn`` as soon as the batch has started, and at the
    end ``batch_summary`` (counts, status, ids of all batches, failure classes, where the results are, and ``outcome``:
    ``completed``, ``completed_with_tolerated_failures`` or ``failed``),
    ``results_uri`` (the results table as CSV: one row per sample, in the order of the input; the same as JSONL is
    beside it), ``report_uri`` with ``report``, ``failed_run_setting_ids`` and ``failures`` (at most 100), and ``runs``
    (id, run id and output URI of each completed sample) unless there are more than ``runs_limit``; before a start,
    ``cost_estimate`` where that is looked up. The asset events of its outlets have ``outcome`` and ``batch_summary`` in
    their extra. Fails with an
    :class:`~airflow_provider_omics.exceptions.OmicsBatchFailedError` if more samples than tolerated did not complete.

    Parameters that are None are not sent. All but ``deferrable``, ``build_run_setting`` and ``botocore_config`` are
    templates; numbers and flags are read from text too. Without ``wait_for_completion`` there are no results, and
    without ``identity_tags`` a sample whose settings were changed between two tries counts as the same.

    See https://docs.aws.amazon.com/omics/latest/api/API_StartRunBatch.html

    :param run_settings: the samples, 1 to 100,000: a list of InlineSetting objects by the API's names
        (``runSettingId``, ``parameters``, ``name``, ``outputUri``, ``priority``, ``runTags``, ...), or a path or
        ``s3://`` URI of them as JSON or JSONL, or of a sheet as CSV or TSV; plain or gzipped. Required.
    :param workflow_id: id of the workflow; private or shared, not Ready2Run. Required, unless there is a
        ``workflow_name``.
    :param workflow_name: name of the workflow, in place of ``workflow_id``: the only ACTIVE one of that name, which is
        looked up (ListWorkflows) before something is submitted, and said in the log; several are refused.
    :param role_arn: ARN of the service role that the runs act with, up to 128 characters. Required.
    :param output_uri: where outputs go, as ``s3://bucket/prefix``, in the workflow's Region; up to 750 characters.
    :param workflow_type: ``PRIVATE``, the only type that batches know.
    :param workflow_version_name: version of the workflow, up to 64 characters; with ``workflow_name`` it may be
        ``latest``, the newest that is ACTIVE (ListWorkflowVersions). What a task instance finds first is kept below
        ``settings_uri``, and holds for all of its tries and redrives.
    :param workflow_owner_id: account id (12 digits) of the owner of a workflow shared with this account.
    :param name: name of every run that has none of its own, up to 128 characters. The default, None, names such a run
        after its sample, by its ``runSettingId``.
    :param parameters: inputs of every run, merged by name with the sample's own, which win; at most 256,000 bytes as
        JSON together. A path or ``s3://`` URI of a JSON file that holds them is read when the task starts the batch;
        what it holds then is kept below ``settings_uri``, for redrives.
    :param requester_pays_enabled: whether the runs may read inputs from buckets that use Requester Pays, at the cost of
        this account; the service's default is False.
    :param run_tags: tags of every run, merged by key with the sample's own; at most 50 together.
    :param run_group_id: run group to start the runs in.
    :param priority: priority in the run group, 0 to 100,000.
    :param cache_id: run cache to use; with one, a sample that is run again goes on after its last finished task.
    :param cache_behavior: ``CACHE_ON_FAILURE`` or ``CACHE_ALWAYS``; the default is the cache's own.
    :param storage_type: ``STATIC`` or ``DYNAMIC``.
    :param storage_capacity: GiB of static storage of each run, up to 100,000.
    :param scratch_storage_mode: ``SHARED`` or ``LOCAL``.
    :param retention_mode: ``RETAIN`` (the service's default) or ``REMOVE``. An account stores 100,000 runs; with
        ``RETAIN``, samples beyond that fail to start.
    :param log_level: ``OFF``, ``FATAL``, ``ERROR`` or ``ALL``.
    :param output_bucket_owner_id: account id (12 digits) that the output bucket must belong to.
    :param networking_mode: ``RESTRICTED`` (the service's default) or ``VPC``.
    :param configuration_name: configuration to use with ``VPC``.
    :param session_policy: JSON of a policy that narrows the role, up to 2,048 characters.
    :param engine_settings: settings of the Nextflow engine.
    :param default_run_setting: members of DefaultRunSetting that this release does not name, by their API names.
    :param batch_name: name of the batch, up to 64 characters; the default names the DAG and the task.
    :param tags: tags of what the task starts, as in ``OmicsStartRunOperator``, so that one entry of a DAG's
        ``default_args`` serves both: here they are the batch's, at most 50, of which the provider adds ten (see
        ``identity_tags``), and none of its runs'.
    :param batch_tags: tags of the batch in the place of ``tags``, none of which it then gets; the default, None, is
        ``tags``.
    :param request_id: idempotency token, up to 128 characters. The default is made from the task instance and the
        samples, so that a task that is tried again finds its batch; with one of your own that is up to you.
    :param settings_uri: folder in S3 for the checked samples, and for the sheets that ``sample_sheet_parameter`` asks
        for; the default is below ``output_uri``. Objects there are named by their content and never written again. With
        more than 100 samples the service role must read it.
    :param results_uri: where the results table goes: an ``s3://`` URI that ends in ``.csv``, or a folder. The default
        is below ``output_uri``. Before anything is submitted, a small object is written there and to ``settings_uri``,
        and deleted if that is allowed. Instances of a mapped task need a place each, as with ``{{ ti.map_index }}`` in
        it; the default is one.
    :param s3_kms_key_id: id, ARN or alias of the KMS key that the task encrypts with what it writes to ``settings_uri``
        and ``results_uri``; the default is the bucket's own encryption. The service role must be able to decrypt it.
    :param s3_bucket_key_enabled: whether an S3 Bucket Key is used with it; the default is the bucket's setting.
    :param s3_expected_bucket_owner: account id (12 digits) that the buckets of ``settings_uri`` and ``results_uri``
        must belong to; S3 refuses every call of the task that concerns another's.
    :param tolerated_failure_count: how many samples may end otherwise than COMPLETED, 0 or more. Default ``0``.
    :param tolerated_failure_percentage: the same as a share of all samples, 0 to 100; the larger of both holds. Default
        ``0``.
    :param fail_fast: whether the rest is cancelled as soon as more samples than tolerated have failed. Default
        ``False``.
    :param redrive_attempts: how many more batches the task may start within one try, 0 or more: each for the samples
        that failed by chance (class transient), as far as ``failure_lookup_limit`` lets their cause be known. Default
        ``0``.
    :param retry_permanent_failures: whether a retry of the task also runs again what failed for a reason that no retry
        mends (``INPUT_URI_NOT_FOUND``, ``INVALID_URI_INPUT``, ``UNSUPPORTED_INPUT_SIZE``, a submission refused with a
        ValidationException; all are in :data:`~airflow_provider_omics.healthomics.api.failures.PERMANENT_CODES`).
        Without it these samples are left out, and count as failed, until their row, the workflow or another setting of
        all runs has changed, or a person clears the task: the first try after a clear runs all that did not complete.
        Default ``False``.
    :param failure_lookup_limit: most failed runs to ask the cause of at the end of a try, one call each; 0 or more. A
        retry asks for the cause of up to 10,000 before it runs them again, unless it runs them whatever the cause.
        Default ``100``.
    :param cache_hits_limit: most runs with a run cache whose cache hits are counted at the end of a try, for the column
        ``run_cache_hits`` of the table, one call for every 100 tasks of each, the first of the input first; 0 or more.
        Default ``100``.
    :param runs_limit: most completed samples for which ``runs`` is pushed; 0 or more. Default ``1000``.
    :param asset_partitions_limit: most completed samples of which the task's outlets get an asset event each, with the
        sample's id as its partition key, in place of one event for the cohort; 0 to 1,000, from Airflow 3.3 on. Default
        ``0``.
    :param usage: of which samples the use and cost are looked up at the end, all of their runs included, for further
        columns of the results table and sums in ``batch_summary``: ``off``, ``failed`` (those with a run that did not
        complete), ``sample`` (some of them, by chance, the same ones in each try) or ``all``. A call for each run
        (ListRunTasks), two more with dynamic storage (GetLogEvents), at the rate that the connection allows. What
        cannot be looked up is empty, and a warning. Default ``off``.
    :param usage_sample_size: how many samples ``sample`` takes, 1 or more. Default ``100``.
    :param usage_calls_limit: most calls for ``usage``, 0 or more; samples beyond it stay empty. Default ``10000``.
    :param price_file: prices as JSON, a path or ``s3://`` URI, in the form of the local server's price file; the
        default is the AWS Price List Service, which needs ``pricing:GetProducts``. Without either, costs are unknown.
    :param max_cost_usd: US dollars, 0 or more, that the samples of a batch may be estimated to cost together, or it is
        not started; None for no limit. Of a redrive it is the samples that are run again; one that would cost more is
        left out, and its samples stay failed.
    :param unknown_cost: what becomes of a start with ``max_cost_usd`` whose cost cannot be estimated: ``refuse``, or
        ``start`` to start all the same. Default ``refuse``.
    :param estimate_runs: from how many of the last completed runs of the workflow version the cost is estimated, 5 to
        1,000 (ListRuns, then the calls that ``usage`` takes for each), for the log and the XCom ``cost_estimate``; with
        fewer than five it is unknown. None, the default, for 20 with ``max_cost_usd``, and for no estimate without.
    :param report: whether a report is written beside the results table, as ``.html``: one page with timelines,
        durations, failures by class and the use of tasks. What ``usage`` did not look up is unknown there. Default
        ``False``.
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
    :param cache: ``auto`` to have the runs use one run cache for the workflow, which is found by its name or made below
        ``output_uri``, with ``CACHE_ON_FAILURE`` unless ``cache_behavior`` is given: a later try, or a redrive, goes on
        after the last task that was finished. None for ``cache_id``, or for no cache.
    :param check_inputs: whether the inputs in S3 are looked for before anything is submitted: ``off``, since it takes a
        call for each input, and the worker's role often may not read what the run's role may; ``warn`` logs what is
        missing, archived or denied; ``fail`` refuses it. Each distinct object is looked for once (HeadObject), up to
        100,000 of them; a folder, or a pattern of names, is there with its first object (ListObjectsV2). What could not
        be checked, since calls failed or time was over, is logged and submitted. A try that takes over a job of an
        earlier one does not check them. Default ``off``.
    :param check_inputs_timeout: seconds after which no more inputs are looked for, 0 to 604,800. Default ``600``.
    :param preflight: whether what the job needs is checked before anything is submitted: workflow, configuration, run
        cache, run group, place for outputs, role, images and quotas. ``warn`` logs what is wrong, ``fail`` refuses all
        of it at once, ``off`` does not look; or a dict of these by kind (``workflow``, ``configuration``, ``cache``,
        ``run_group``, ``output``, ``role``, ``images``, ``quota``), with ``unknown`` for what could not be found out
        and ``*`` for the kinds that it does not name, both ``warn`` unless given. A try that takes over a job of an
        earlier one checks nothing. None, the default, is ``off``.
    :param s3_requester_pays: whether this account pays for what the task itself reads and writes in buckets that use
        Requester Pays; for the runs' own reading there is ``requester_pays_enabled``. Default ``False``.
    :param wait_for_completion: whether to wait for the end. Default ``True``.
    :param cancel_on_kill: whether the job is cancelled when nobody wants its result any more: when a user marks or
        clears the task, its DAG run times out, ``execution_timeout`` is reached, ``waiter_max_attempts`` is with no
        retry left, or the worker of the last try is asked to end; if not, it never is. Default ``True``.
    :param on_timeout: what becomes of the job at the task's ``execution_timeout``: ``cancel``, or ``detach`` to leave
        it running. Default ``cancel``.
    :param durable: whether a later try takes over the job of an earlier one; if not, every try starts one. Default
        ``True``.
    :param identity_tags: whether the job is tagged with DAG, DAG run, task and map index, by which a later try finds
        it; it needs ``omics:TagResource``. Without the tags a job is found only if it has the default name. Default
        ``True``.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param waiter_delay: seconds between two polls, 0.01 to 604,800. Default ``30``.
    :param waiter_max_attempts: most polls that are answered before the task fails, 1 or more; None for no limit but
        ``execution_timeout``.
    :param error_budget: seconds for which errors of polling are put up with before the task fails, 0 or more: errors of
        any kind once the service has answered, before that only those that pass by themselves (throttling, 5xx,
        network). A poll that fails is repeated after at most 5 minutes, and after a twelfth of the budget. Default
        ``3600``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = (
        *DEFAULT_RUN_SETTING_FIELDS,
        "workflow_name",
        "default_run_setting",
        *INPUT_TEMPLATE_FIELDS,
        "batch_name",
        "tags",
        "batch_tags",
        "request_id",
        "settings_uri",
        "results_uri",
        "s3_kms_key_id",
        "s3_expected_bucket_owner",
        "price_file",
        *TEMPLATED,
    )
    template_fields_renderers = {  # noqa: RUF012 - Airflow declares it without ClassVar
        "parameters": "json",
        "tags": "json",
        "batch_tags": "json",
        "run_tags": "json",
        "engine_settings": "json",
        "default_run_setting": "json",
        "run_settings": "json",
        "sample_sheet_columns": "json",
    }

    def __init__(
        self,
        *,
        run_settings: Any,
        workflow_id: str | None = None,
        role_arn: str | None = None,
        output_uri: str | None = None,
        workflow_type: str | None = None,
        workflow_version_name: str | None = None,
        workflow_owner_id: str | None = None,
        name: str | None = None,
        parameters: dict[str, Any] | str | os.PathLike[str] | None = None,
        requester_pays_enabled: bool | str | None = None,
        run_tags: dict[str, str] | str | None = None,
        run_group_id: str | None = None,
        priority: int | str | None = None,
        cache_id: str | None = None,
        cache_behavior: str | None = None,
        storage_type: str | None = None,
        storage_capacity: int | str | None = None,
        scratch_storage_mode: str | None = None,
        retention_mode: str | None = None,
        log_level: str | None = None,
        output_bucket_owner_id: str | None = None,
        networking_mode: str | None = None,
        configuration_name: str | None = None,
        session_policy: str | None = None,
        engine_settings: dict[str, Any] | str | None = None,
        default_run_setting: dict[str, Any] | str | None = None,
        batch_name: str | None = None,
        tags: dict[str, str] | str | None = None,
        batch_tags: dict[str, str] | str | None = None,
        request_id: str | None = None,
        settings_uri: str | None = None,
        results_uri: str | None = None,
        s3_kms_key_id: str | None = None,
        s3_bucket_key_enabled: bool | str | None = None,
        s3_expected_bucket_owner: str | None = None,
        tolerated_failure_count: int | str = 0,
        tolerated_failure_percentage: float | str = 0,
        fail_fast: bool | str = False,
        redrive_attempts: int | str = 0,
        retry_permanent_failures: bool | str = False,
        failure_lookup_limit: int | str = 100,
        cache_hits_limit: int | str = 100,
        runs_limit: int | str = 1000,
        usage_sample_size: int | str = 100,
        usage_calls_limit: int | str = 10_000,
        report: bool | str = False,
        **kwargs: Any,
    ) -> None:
        given = locals()
        super().__init__(
            run_settings=run_settings,
            settings_uri=settings_uri,
            results_uri=results_uri,
            s3_kms_key_id=s3_kms_key_id,
            s3_bucket_key_enabled=s3_bucket_key_enabled,
            s3_expected_bucket_owner=s3_expected_bucket_owner,
            tolerated_failure_count=tolerated_failure_count,
            tolerated_failure_percentage=tolerated_failure_percentage,
            fail_fast=fail_fast,
            redrive_attempts=redrive_attempts,
            retry_permanent_failures=retry_permanent_failures,
            failure_lookup_limit=failure_lookup_limit,
            cache_hits_limit=cache_hits_limit,
            runs_limit=runs_limit,
            usage_sample_size=usage_sample_size,
            usage_calls_limit=usage_calls_limit,
            report=report,
            **kwargs,
        )
        for field in DEFAULT_RUN_SETTING_FIELDS:
            setattr(self, field, given[field])
        self.default_run_setting = default_run_setting
        self.batch_name = batch_name
        self.tags = tags
        self.batch_tags = batch_tags
        self.request_id = request_id
        self.check_literals()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with the StartRunBatch request whatever its templates come to."""
        yield from (*workflow_name_issues(plain), *auto_cache_issues(plain))
        yield from start_run_batch_issues(*with_unknown_cache(*with_unknown_id(without_file(plain), templated)))

    def build_request(self) -> dict[str, Any]:
        """Return the StartRunBatch request without its ``batchRunSettings``, checked."""
        fields = {api_name(name): getattr(self, name) for name in DEFAULT_RUN_SETTING_FIELDS}
        fields["parameters"] = self.read_parameters("StartRunBatch")
        fields.update(self.unknown_workflow if self.kept_workflow is None else self.kept_workflow.members)
        fields.update(self.unknown_cache)
        return build_start_run_batch(
            build_default_run_setting(fields, self.default_run_setting),
            batch_name=self.batch_name,
            tags=self.tags,
            batch_tags=self.batch_tags,
            request_id=self.request_id,
            reserved_tags=BATCH_TAG_COUNT if self.identity_tags else 0,
        )
