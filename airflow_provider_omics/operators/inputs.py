"""Base of the operators that start a job with inputs: these are read and checked before anything is submitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.requests.input_objects import InputObjects
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.levels import OFF
from airflow_provider_omics.healthomics.run_settings.parameters_file import file_of, read_parameters
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.hooks.object_settings import ObjectSettings
from airflow_provider_omics.jobs.kinds import JobT
from airflow_provider_omics.operators.auto_cache import OmicsAutoCacheOperator
from airflow_provider_omics.operators.before_start import BeforeStart
from airflow_provider_omics.operators.input_check import InputCheck
from airflow_provider_omics.operators.job import OmicsJobOperator
from airflow_provider_omics.operators.named_workflow import find_named
from airflow_provider_omics.operators.private_argument import PrivateArgument
from airflow_provider_omics.operators.without_effect import log_without_effect
from airflow_provider_omics.workflows.lookup import UNKNOWN_ID, FoundWorkflow, workflow_name_issues

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook


class OmicsInputOperator(OmicsAutoCacheOperator, OmicsJobOperator[JobT]):
    """Base of the operators that start a job with inputs.

    :param workflow_name: name of the workflow, in place of ``workflow_id``: the only ACTIVE one of that name, which is
        looked up (ListWorkflows) before something is submitted, and said in the log; several are refused.
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
    """

    parameters: Any = PrivateArgument()
    workflow_version_name: str | None = None

    def __init__(
        self,
        *,
        workflow_name: str | None = None,
        check_inputs: str = OFF,
        check_inputs_timeout: float | str = 600,
        preflight: str | dict[str, str] | None = None,
        s3_requester_pays: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._parameters_in: tuple[str, dict[str, Any]] | None = None
        self.workflow_name = workflow_name
        self.check_inputs = check_inputs
        self.check_inputs_timeout: float = as_read(check_inputs_timeout)
        self.preflight = preflight
        self.s3_requester_pays: bool = as_read(s3_requester_pays)

    @property
    def object_settings(self) -> ObjectSettings:
        """What the task's own requests for objects in S3 carry beyond their names."""
        return ObjectSettings(requester_pays=self.s3_requester_pays)

    @cached_property
    def hook(self) -> OmicsHook:
        """The hook, made when it is first needed."""
        hook = super().hook
        hook.object_settings = self.object_settings
        return hook

    @property
    def unknown_workflow(self) -> dict[str, str]:
        """What stands in a request for a workflow that is looked up by its name later; nothing where none is."""
        return {"workflowId": UNKNOWN_ID} if self.workflow_name is not None else {}

    def find_workflow(self, operation: str) -> FoundWorkflow:
        """Look up the workflow by its name, and log what was found.

        :param operation: API operation that it is for.
        :raises OmicsRequestInvalidError: there is none of that name, or more than one.
        """
        name = str(self.workflow_name)
        return find_named(self.hook, self.log, operation, name, self.workflow_version_name, self.workflow_type)

    @property
    def looks_for_inputs(self) -> bool:
        """Whether inputs are looked for."""
        return self.check_inputs != OFF

    def check_waiting(self, operation: str) -> None:
        """Refuse what cannot be followed, and log what has no effect beside the other arguments."""
        super().check_waiting(operation)
        log_without_effect(self)

    def waiting_issues(self) -> list[Issue]:
        """Return what is wrong with how to wait, and with how to read and write in S3."""
        known = super().waiting_issues()
        named = {issue.where for issue in known}
        given = {name: getattr(self, name, None) for name in ("workflow_name", "workflow_id", "run_id")}
        given["workflow_owner_id"] = getattr(self, "workflow_owner_id", None)
        found = (*self.object_settings.issues(), *workflow_name_issues(given), *self.cache_issues())
        return [*known, *(issue for issue in found if issue.where not in named)]

    def read_parameters(self, operation: str) -> Any:
        """Return ``parameters``; where they are a file, what it held when this process first read it.

        :param operation: API operation that they are for.
        :raises OmicsRequestInvalidError: the file does not hold one JSON object.
        """
        name = file_of(self.parameters)
        if name is None:
            return self.parameters
        if self._parameters_in is None or self._parameters_in[0] != name:
            self._parameters_in = name, read_parameters(operation, name, self.hook.inputs.open)
            self.log.info("Read the parameters from %s", name)
        return self._parameters_in[1]

    def prove(
        self,
        operation: str,
        members: Mapping[str, Any],
        runs: int,
        *others: Callable[[], None],
        named_workflow: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """Find out, before anything is submitted, what would go wrong later; all of it at once.

        :param operation: API operation that would be sent.
        :param members: members of StartRun that name what is needed.
        :param runs: how many runs would be started.
        :param others: checks beside the preflight, which raise what they find.
        :param named_workflow: looks up the members that stand for the name of a workflow; none where none is given.
        :raises OmicsPreflightError: the preflight found what is refused.
        """
        BeforeStart(self.hook, self.log, operation, self.preflight).prove(members, runs, others, named_workflow)

    def look_for(self, operation: str, objects: InputObjects) -> None:
        """Look for inputs, and log or refuse what is wrong with them.

        :param operation: API operation that would be sent.
        :raises OmicsRequestInvalidError: inputs are missing, archived or denied, and that is refused.
        :raises OmicsError: the task was killed meanwhile.
        """
        killed = self._killed.is_set
        unchecked = "They are submitted as they are"
        InputCheck(
            self.hook, self.log, operation, self.check_inputs, self.check_inputs_timeout, unchecked, killed
        ).check(objects)
