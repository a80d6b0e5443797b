"""Operator that starts a run and waits for it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.account.auto_cache import auto_cache_issues, with_unknown_cache
from airflow_provider_omics.compat import dag_run_life, is_just_cleared, tries_before_clear
from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.api.console import run_url
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.statuses import Phase, RunStatus
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason, WaitResult
from airflow_provider_omics.healthomics.requests.identity import TAG_COUNT, JobKey, TaskIdentity
from airflow_provider_omics.healthomics.requests.input_objects import InputObjects
from airflow_provider_omics.healthomics.requests.input_places import input_place_notes
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.literal_requests import start_run_issues
from airflow_provider_omics.healthomics.requests.shapes import api_name
from airflow_provider_omics.healthomics.requests.start_run import (
    START_RUN_FIELDS,
    build_start_run,
    fingerprint,
    fingerprint_of_0_1_0,
)
from airflow_provider_omics.healthomics.run_settings.parameters_file import without_file
from airflow_provider_omics.healthomics.runs.failure import OmicsRunFailedError
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.jobs.kinds import RUN
from airflow_provider_omics.jobs.run_job import RunJob
from airflow_provider_omics.jobs.submission import IdempotentSubmitter
from airflow_provider_omics.lineage.datasets import Datasets
from airflow_provider_omics.links.omics import RUN_LINKS, store_run_links
from airflow_provider_omics.operators.lineage import OmicsLineageOperator
from airflow_provider_omics.operators.private_argument import PrivateArgument
from airflow_provider_omics.operators.run_details import look_up_details
from airflow_provider_omics.operators.run_end import OmicsCancelRunOperator, OmicsDeleteRunOperator
from airflow_provider_omics.operators.run_usage import add_run_usage
from airflow_provider_omics.operators.xcom_keys import (
    XCOM_RUN_ARN_KEY,
    XCOM_RUN_CACHE_HITS_KEY,
    XCOM_RUN_OUTPUT_URI_KEY,
    XCOM_RUN_UUID_KEY,
)
from airflow_provider_omics.operators.xcoms import add_to_outlet_events, push_xcoms, run_extra
from airflow_provider_omics.triggers.run import OmicsRunTrigger
from airflow_provider_omics.workflows.lookup import with_unknown_id, workflow_name_issues

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# Where a user looks for them.
__all__ = ["START_RUN_FIELDS", "OmicsCancelRunOperator", "OmicsDeleteRunOperator", "OmicsStartRunOperator"]


class OmicsStartRunOperator(OmicsLineageOperator[RunSnapshot]):
    """Start a HealthOmics run, once however often the task is tried, and wait for its end.

    Returns the run's id, and pushes ``run_arn``, ``run_uuid`` and ``run_output_uri`` under these XCom keys as soon
    as the run has started, ``run_cache_hits`` at the end of one with ``cache`` or ``cache_id``, and ``run_usage``
    and ``cost_estimate`` where these are looked up. A run that does not end COMPLETED fails the task with an
    :class:`~airflow_provider_omics.exceptions.OmicsRunFailedError`, which is retried only where a retry can help.

    Parameters that are None are not sent. All but ``deferrable`` and ``botocore_config`` are templates; numbers and
    flags are read from text too.

    See https://docs.aws.amazon.com/omics/latest/api/API_StartRun.html

    :param role_arn: ARN of the service role that the run acts with, up to 128 characters. Required.
    :param output_uri: where outputs go, as ``s3://bucket/prefix``, in the workflow's Region; up to 750 characters.
        Required.
    :param output_uri_prefix_mode: ``SERVICE_DEFINED`` (the service's default: outputs go below a prefix of the run's
        own, see ``run_output_uri``) or ``NONE_WITH_OVERWRITE`` (outputs go to ``output_uri`` itself, over what an
        earlier run or try left there; runs side by side then need an ``output_uri`` each).
    :param workflow_id: id of the workflow; give this, ``workflow_name`` or ``run_id``.
    :param workflow_name: name of the workflow, in place of ``workflow_id``: the only ACTIVE one of that name, which is
        looked up (ListWorkflows) before something is submitted, and said in the log; several are refused.
    :param workflow_type: ``PRIVATE`` (the service's default) or ``READY2RUN``.
    :param workflow_owner_id: account id (12 digits) of the owner of a workflow shared with this account.
    :param workflow_version_name: version of the workflow, up to 64 characters; with ``workflow_name`` it may be
        ``latest``, the newest that is ACTIVE when the run is submitted (ListWorkflowVersions).
    :param run_id: id of an earlier run to run again; what is not given is taken from that run.
    :param name: name of the run, up to 128 characters; the default names the DAG and the task.
    :param parameters: the workflow's inputs, as an object of at most 256,000 bytes as JSON, or a path or ``s3://`` URI
        of a JSON file that holds one; the file is read when the task starts the run, and what it holds is sent.
    :param parameters_uri: S3 URI of a JSON file with the workflow's inputs, up to 1,093 characters, in place of
        ``parameters``. The service reads it when the run has started; one that is not valid fails the run with
        ``INVALID_RUN_PARAMETERS``.
    :param requester_pays_enabled: whether the run may read inputs from buckets that use Requester Pays, at the cost of
        this account; the service's default is False.
    :param tags: tags of the run, at most 50; the provider adds nine (see ``identity_tags``).
    :param run_group_id: run group to start the run in.
    :param priority: priority in the run group, 0 to 100,000.
    :param cache_id: run cache to use.
    :param cache_behavior: ``CACHE_ON_FAILURE`` or ``CACHE_ALWAYS``; the default is the cache's own.
    :param storage_type: ``STATIC`` or ``DYNAMIC``.
    :param storage_capacity: GiB of static storage, up to 100,000.
    :param scratch_storage_mode: ``SHARED`` or ``LOCAL``.
    :param retention_mode: ``RETAIN`` (the service's default) or ``REMOVE``.
    :param log_level: ``OFF``, ``FATAL``, ``ERROR`` or ``ALL``.
    :param networking_mode: ``RESTRICTED`` (the service's default) or ``VPC``.
    :param configuration_name: configuration to use with ``VPC``.
    :param session_policy: JSON of a policy that narrows the role, up to 2,048 characters.
    :param engine_settings: settings of the Nextflow engine.
    :param request_id: idempotency token, up to 128 characters. The default is made from the task instance and the
        request, so that a task that is tried again finds its run; with one of your own that is up to you.
    :param start_run_kwargs: members of StartRun that this release does not name, by their API names.
    :param usage: whether use and cost of the run are looked up at its end, for the log and the XCom ``run_usage``:
        ``off``, ``failed`` (of a run that did not complete), ``sample`` and ``all`` (of any). A call for every 100
        tasks (ListRunTasks) and one or a few more (GetRun; GetLogEvents with dynamic storage). What cannot be looked up
        is unknown, and a warning. Default ``off``.
    :param price_file: prices as JSON, a path or ``s3://`` URI, in the form of the local server's price file; the
        default is the AWS Price List Service, which needs ``pricing:GetProducts``. Without either, costs are unknown.
    :param max_cost_usd: US dollars, 0 or more, that the run may be estimated to cost, or it is not started; None for no
        limit.
    :param unknown_cost: what becomes of a start with ``max_cost_usd`` whose cost cannot be estimated: ``refuse``, or
        ``start`` to start all the same. Default ``refuse``.
    :param estimate_runs: from how many of the last completed runs of the workflow version the cost is estimated, 5 to
        1,000 (ListRuns, then the calls that ``usage`` takes for each), for the log and the XCom ``cost_estimate``; with
        fewer than five it is unknown. None, the default, for 20 with ``max_cost_usd``, and for no estimate without.
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
        *START_RUN_FIELDS,
        "workflow_name",
        "start_run_kwargs",
        "check_inputs",
        "price_file",
        *TEMPLATED,
    )
    template_fields_renderers = {  # noqa: RUF012 - Airflow declares it without ClassVar
        "parameters": "json",
        "tags": "json",
        "engine_settings": "json",
        "start_run_kwargs": "json",
    }
    start_run_kwargs: Any = PrivateArgument()
    operator_extra_links = RUN_LINKS
    waits_for = RunSnapshot
    job_kind = RUN

    def __init__(
        self,
        *,
        role_arn: str | None = None,
        output_uri: str | None = None,
        output_uri_prefix_mode: str | None = None,
        workflow_id: str | None = None,
        workflow_type: str | None = None,
        workflow_owner_id: str | None = None,
        workflow_version_name: str | None = None,
        run_id: str | None = None,
        name: str | None = None,
        parameters: dict[str, Any] | str | os.PathLike[str] | None = None,
        parameters_uri: str | None = None,
        requester_pays_enabled: bool | str | None = None,
        tags: dict[str, str] | str | None = None,
        run_group_id: str | None = None,
        priority: int | str | None = None,
        cache_id: str | None = None,
        cache_behavior: str | None = None,
        storage_type: str | None = None,
        storage_capacity: int | str | None = None,
        scratch_storage_mode: str | None = None,
        retention_mode: str | None = None,
        log_level: str | None = None,
        networking_mode: str | None = None,
        configuration_name: str | None = None,
        session_policy: str | None = None,
        engine_settings: dict[str, Any] | str | None = None,
        request_id: str | None = None,
        start_run_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        given = locals()
        super().__init__(**kwargs)
        for field in START_RUN_FIELDS:
            setattr(self, field, given[field])
        self.start_run_kwargs = start_run_kwargs
        self.check_literals()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with the StartRun request whatever its templates come to."""
        yield from (*workflow_name_issues(plain), *auto_cache_issues(plain))
        known = with_unknown_cache(*with_unknown_id(without_file(plain), templated))
        yield from start_run_issues(START_RUN_FIELDS, *known)

    def execute(self, context: Context) -> str:
        """Start the run, or find the one of an earlier try, and, if wanted, wait for it."""
        with non_retryable_errors(self):
            self.check_waiting("StartRun")
            self.begin_try(context)
            return self._start_and_wait(context)

    def finish(self, context: Context, end: WaitResult[RunSnapshot], *, found: bool = False, **_state: Any) -> str:
        """Return the run's id, or raise what explains why it did not complete.

        :param found: whether the run is an earlier try's, and was being stopped when this one found it.
        """
        run = end.snapshot
        self._job_id = run.run_id
        if end.why is not StopReason.ENDED:
            raise OmicsWaitError(self.cancel_or_leave(end))
        if run.phase is Phase.CANCELLED and found:
            # Not a person has cancelled it, but whatever ended the try before.
            return self._start_and_wait(context)
        succeeded = run.phase is Phase.SUCCEEDED
        # Of a run that has completed, the outputs are only logged: no worker waits for that.
        retrying = None if succeeded else replace(self.retrying, only_transient=True)
        details = look_up_details(self.hook, run, self.log, retrying)
        hits = self.count_hits(run)
        if hits is not None and self.do_xcom_push:
            push_xcoms(context, self.log, {XCOM_RUN_CACHE_HITS_KEY: hits.hits})
        add_run_usage(self, context, details.run, "StartRun")
        self.note_run_lineage(details.run)
        if not succeeded:
            raise OmicsRunFailedError(details.explain(self.explain(details.run)))
        self.log.info("%s", details.completion)
        self.note_success(context, run.arn)
        add_to_outlet_events(context, self.outlets, run_extra(details.run), self.log)
        return run.run_id

    def note_arguments(self, inputs: Datasets) -> None:
        """Note the inputs that ``parameters`` names, or the file that has them."""
        for uri in (self.parameters, getattr(self, "parameters_uri", None)):
            inputs.add(uri)
        inputs.note_inputs(self.parameters)

    def submitter(self, context: Context) -> IdempotentSubmitter[RunSnapshot]:
        """Return the submitter of the task's runs."""
        return self._job(context).submitter

    def wait_in_worker(self, context: Context, job: RunSnapshot) -> str:
        """Wait in the worker for a run whose trigger failed, unless it has ended, and finish as the trigger would."""
        self._job_id = job.run_id
        if job.phase.is_final:
            return self.finish(context, WaitResult(StopReason.ENDED, job))
        return str(self.wait(context, self._trigger(job)))

    def page_of(self, job: RunSnapshot) -> str:
        """Return the run's page in the console."""
        return run_url(self.hook.conn_region_name, self.hook.conn_partition, job.run_id)

    def _start_and_wait(self, context: Context) -> str:
        with self.submitting(context):
            run, found = self._start(context)
        self.attach(context, run)
        store_run_links(context, self, self.hook, run.run_id)
        self._push(context, run)
        if not self.wait_for_completion:
            self.note_success(context, run.arn)
            return run.run_id
        return str(self.wait(context, self._trigger(run), found=found))

    def _trigger(self, run: RunSnapshot) -> OmicsRunTrigger:
        return OmicsRunTrigger(
            run_id=run.run_id,
            just_started=True,
            cancel_on_kill=self.cancel_on_kill,
            cancel_on_timeout=self.cancels_at_timeout,
            **self.waiting_arguments(),
        )

    def _start(self, context: Context) -> tuple[RunSnapshot, bool]:
        """Return the run, and whether an earlier try had started it and it may be being stopped."""
        job, ti = self._job(context), context["ti"]
        if "requestId" in job.request:
            return job.submit(), False
        if not self.durable:
            return job.submit(generation=ti.try_number - 1), False
        submitted = job.get_or_submit(
            try_number=ti.try_number,
            tries_before_clear=tries_before_clear(ti),
            cancels_superseded=self.cancel_on_kill,
        )
        run = submitted.job
        return run, submitted.is_found and (run.status == RunStatus.STOPPING or is_just_cleared(ti))

    def _job(self, context: Context) -> RunJob:
        ours = TAG_COUNT if self.identity_tags else 0
        fields = {api_name(name): getattr(self, name) for name in START_RUN_FIELDS}
        fields["parameters"] = self.read_parameters("StartRun")
        fields.update({**self.unknown_workflow, **self.unknown_cache})
        request = build_start_run(fields, self.start_run_kwargs, reserved_tags=ours)
        for line in input_place_notes(request.get("parameters")):
            self.log.warning("%s", entry(line))
        # A name stands for one job, also when it has come to stand for a newer version.
        asked = request if self.workflow_name is None else {**request, "workflowName": self.workflow_name}
        key = JobKey(
            TaskIdentity.of(context["ti"]),
            fingerprint(asked),
            self.hook.namespace,
            dag_run_life(context),
            fingerprint_of_0_1_0(asked),
        )
        submitter = self.submitter_of(context, key, request.get("name"))
        late = partial(self._late_members, context, request)
        return RunJob(submitter, request, partial(self._prove, context, request), late)

    def _late_members(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the members that name the workflow, where the user has given its name, and the cache."""
        named = self._named_workflow()
        return {**named, **self.cache_members(context, "StartRun", {**request, **named})}

    def _named_workflow(self) -> Mapping[str, Any]:
        return {} if self.workflow_name is None else self.find_workflow("StartRun").members

    def _prove(self, context: Context, request: Mapping[str, Any]) -> None:
        """Find out, before anything is submitted, what would go wrong later, and what it would cost."""
        self.prove_prices("StartRun")
        inputs = partial(self._check_inputs, request)
        self.prove("StartRun", request, 1, inputs, named_workflow=self._named_workflow)
        if self.estimates:
            self.prove_cost(context, "StartRun", {**request, **self._named_workflow()}, 1)

    def _check_inputs(self, request: Mapping[str, Any]) -> None:
        if not self.looks_for_inputs:
            return
        with closing(InputObjects()) as objects:
            objects.note(request.get("parameters"))
            objects.note({"uri": request.get("parametersUri")}, lambda _: "parameters_uri")
            self.look_for("StartRun", objects)

    def _push(self, context: Context, run: RunSnapshot) -> None:
        if not self.do_xcom_push:
            return
        values = {XCOM_RUN_ARN_KEY: run.arn, XCOM_RUN_UUID_KEY: run.uuid, XCOM_RUN_OUTPUT_URI_KEY: run.output_uri}
        push_xcoms(context, self.log, values)
