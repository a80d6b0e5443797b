"""Operators that create a workflow, or a version of one: once for one content."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.operators.workflow_base import OmicsCreationOperator
from airflow_provider_omics.operators.workflow_end import (
    OmicsDeleteWorkflowOperator,
    OmicsDeleteWorkflowVersionOperator,
)
from airflow_provider_omics.operators.xcom_keys import XCOM_WORKFLOW_ID_KEY
from airflow_provider_omics.workflows.creation import Created, WorkflowCreator
from airflow_provider_omics.workflows.creation_request import (
    CREATE_VERSION,
    CREATE_WORKFLOW,
    CREATION_FIELDS,
    Creation,
    literal_creation_issues,
    named_version,
)
from airflow_provider_omics.workflows.lookup import UNKNOWN_ID, find_workflow
from airflow_provider_omics.workflows.snapshot import WorkflowSnapshot

# Where a user looks for them.
__all__ = [
    "OmicsCreateWorkflowOperator",
    "OmicsCreateWorkflowVersionOperator",
    "OmicsDeleteWorkflowOperator",
    "OmicsDeleteWorkflowVersionOperator",
]

_RENDERERS = dict.fromkeys(("parameter_template", "container_registry_map", "definition_repository", "tags"), "json")


class OmicsCreateWorkflowOperator(OmicsCreationOperator):
    """Create a workflow unless there is one of its name and content, and wait until it is ACTIVE.

    Returns the workflow's id, and pushes ``workflow_arn``, ``workflow_uuid`` and ``workflow_is_new`` under these XCom
    keys. The content is the definition, and whatever else makes its runs compute something else; its digest is a tag,
    by which a later try, or the next DAG run, finds the workflow. One that does not become ACTIVE fails the task with
    an :class:`~airflow_provider_omics.exceptions.OmicsWorkflowFailedError`.

    Parameters that are None are not sent. All but ``deferrable`` and ``botocore_config`` are templates.

    See https://docs.aws.amazon.com/omics/latest/api/API_CreateWorkflow.html

    :param name: name of the workflow, up to 128 characters. Required.
    :param on_other_content: what becomes of a workflow of that name that was made of other content: ``fail`` refuses to
        make a second one of the same name; ``keep`` returns it, for new content to become a version of it (see
        ``OmicsCreateWorkflowVersionOperator``). Default ``fail``.
    :param description: description of the workflow, up to 256 characters.
    :param engine: ``WDL``, ``WDL_LENIENT``, ``CWL`` or ``NEXTFLOW``; the default is that of the definition's files.
    :param main: path of the main file in the definition, up to 128 characters; the default is the definition file
        nearest to its root, or the one there that is named main.
    :param parameter_template: parameters of a run by name, each as ``{"description": ..., "optional": ...}``, at most
        1,000; or ``made``, to make it of the definition's own inputs: of WDL by miniwdl, of CWL, of Nextflow by the
        ``nextflow_schema.json`` beside main. The default leaves it to the service.
    :param parameter_template_path: path of a JSON file with the template in the definition, up to 128 characters.
    :param storage_type: ``STATIC`` or ``DYNAMIC``, the default of its runs.
    :param storage_capacity: GiB of static storage, up to 100,000, the default of its runs.
    :param accelerators: ``GPU`` for runs that need one.
    :param container_registry_map: where images of other registries are in ECR: ``registryMappings`` and
        ``imageMappings``.
    :param container_registry_map_uri: S3 URI of a JSON file with that map, up to 750 characters.
    :param readme_markdown: text of the README, up to 512,000 bytes.
    :param readme_path: path of the README in the definition, up to 128 characters; the default is ``README.md``.
    :param readme_uri: S3 URI of the README.
    :param definition_repository: Git repository with the definition, in place of ``definition``: ``connectionArn``,
        ``fullRepositoryId``, ``sourceReference`` (``type``, ``value``) and ``excludeFilePatterns``. What it holds is
        neither checked nor known here.
    :param workflow_bucket_owner_id: account id (12 digits) of the owner of the bucket of ``definition``.
    :param tags: tags of the workflow, at most 50; the provider adds one (see ``identity_tags``).
    :param request_id: idempotency token, up to 128 characters; the default is made of the name and the content.
    :param create_workflow_kwargs: members of CreateWorkflow that this release does not name, by their API names.
    :param definition: the definition: a folder, a file, or a zip archive that the worker has, as a path, or the
        ``s3://`` URI of a zip archive of at most 100,000,000 bytes in the workflow's Region. Files are zipped in
        order, without ``.git``, ``__pycache__`` and the like, to at most 4,400,000 bytes.
    :param check_definition: what becomes of what the tools of its language find in the definition (miniwdl, cwltool;
        they come with the extra ``definitions``), and of a parameter template that does not fit its inputs: ``fail``
        refuses it before anything is sent, ``warn`` logs it, ``off`` does not look. Default ``fail``.
    :param identity_tags: whether it is tagged with the digest of its content, which needs ``omics:TagResource``;
        without it, what has the name counts as the same content. Default ``True``.
    :param wait_for_completion: whether to wait until it is ACTIVE. Default ``True``.
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

    operation = CREATE_WORKFLOW
    template_fields: Sequence[str] = ("name", "definition", *CREATION_FIELDS, "create_workflow_kwargs", *TEMPLATED)
    template_fields_renderers = {**_RENDERERS, "create_workflow_kwargs": "json"}  # noqa: RUF012 - as in Airflow

    def __init__(
        self,
        *,
        name: str,
        on_other_content: str = "fail",
        description: str | None = None,
        engine: str | None = None,
        main: str | None = None,
        parameter_template: dict[str, Any] | str | None = None,
        parameter_template_path: str | None = None,
        storage_type: str | None = None,
        storage_capacity: int | str | None = None,
        accelerators: str | None = None,
        container_registry_map: dict[str, Any] | str | None = None,
        container_registry_map_uri: str | None = None,
        readme_markdown: str | None = None,
        readme_path: str | None = None,
        readme_uri: str | None = None,
        definition_repository: dict[str, Any] | str | None = None,
        workflow_bucket_owner_id: str | None = None,
        tags: dict[str, str] | str | None = None,
        request_id: str | None = None,
        create_workflow_kwargs: dict[str, Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        given = locals()
        super().__init__(**kwargs)
        self.name = name
        self.on_other_content = on_other_content
        for field in CREATION_FIELDS:
            setattr(self, field, given[field])
        self.create_workflow_kwargs = create_workflow_kwargs
        self.check_literals()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with the request whatever its templates come to."""
        if plain.get("create_workflow_kwargs") is not None or "create_workflow_kwargs" in (templated or ()):
            templated = None
        return literal_creation_issues(cls.operation, ("name", *CREATION_FIELDS), plain, templated)

    def creation(self) -> Creation:
        """Return the CreateWorkflow request, checked."""
        return self.build({"name": self.name}, "create_workflow_kwargs", self.create_workflow_kwargs)

    def creator(self, creation: Creation) -> WorkflowCreator:
        """Return what creates the workflow."""
        return replace(super().creator(creation), keeps_other=self.on_other_content == "keep")

    def identifier(self, workflow: WorkflowSnapshot) -> str:
        """Return the workflow's id."""
        return workflow.workflow_id


class OmicsCreateWorkflowVersionOperator(OmicsCreationOperator):
    """Create a version of a workflow unless there is one of its content, and wait until it is ACTIVE.

    Returns the version's name, for ``workflow_version_name`` of a start operator, and pushes ``workflow_id``,
    ``workflow_arn``, ``workflow_uuid`` and ``workflow_is_new`` under these XCom keys. Without ``version_name`` the name
    is made of the digest of the content: the definition, and whatever else makes its runs compute something else. A
    version takes nothing from its workflow. One that does not become ACTIVE fails the task with an
    :class:`~airflow_provider_omics.exceptions.OmicsWorkflowFailedError`.

    Parameters that are None are not sent. All but ``deferrable`` and ``botocore_config`` are templates.

    See https://docs.aws.amazon.com/omics/latest/api/API_CreateWorkflowVersion.html

    :param workflow_id: id of the workflow; give this or ``workflow_name``.
    :param workflow_name: name of the workflow, which must be the only ACTIVE one of that name (ListWorkflows).
    :param version_name: name of the version, up to 64 letters, digits, dots, hyphens and underscores; the default is
        ``sha-`` and 16 digits of the digest of its content.
    :param description: description of the version, up to 256 characters.
    :param engine: ``WDL``, ``WDL_LENIENT``, ``CWL`` or ``NEXTFLOW``; the default is that of the definition's files.
    :param main: path of the main file in the definition, up to 128 characters; the default is the definition file
        nearest to its root, or the one there that is named main.
    :param parameter_template: parameters of a run by name, each as ``{"description": ..., "optional": ...}``, at most
        1,000; or ``made``, to make it of the definition's own inputs: of WDL by miniwdl, of CWL, of Nextflow by the
        ``nextflow_schema.json`` beside main. The default leaves it to the service.
    :param parameter_template_path: path of a JSON file with the template in the definition, up to 128 characters.
    :param storage_type: ``STATIC`` or ``DYNAMIC``, the default of its runs.
    :param storage_capacity: GiB of static storage, up to 100,000, the default of its runs.
    :param accelerators: ``GPU`` for runs that need one.
    :param container_registry_map: where images of other registries are in ECR: ``registryMappings`` and
        ``imageMappings``.
    :param container_registry_map_uri: S3 URI of a JSON file with that map, up to 750 characters.
    :param readme_markdown: text of the README, up to 512,000 bytes.
    :param readme_path: path of the README in the definition, up to 128 characters; the default is ``README.md``.
    :param readme_uri: S3 URI of the README.
    :param definition_repository: Git repository with the definition, in place of ``definition``: ``connectionArn``,
        ``fullRepositoryId``, ``sourceReference`` (``type``, ``value``) and ``excludeFilePatterns``. What it holds is
        neither checked nor known here,
        so a branch or a tag needs a ``version_name``.
    :param workflow_bucket_owner_id: account id (12 digits) of the owner of the bucket of ``definition``.
    :param tags: tags of the version, at most 50; the provider adds one (see ``identity_tags``).
    :param request_id: idempotency token, up to 128 characters; the default is made of the name and the content.
    :param create_workflow_version_kwargs: members of CreateWorkflowVersion that this release does not name, by their
        API names.
    :param definition: the definition: a folder, a file, or a zip archive that the worker has, as a path, or the
        ``s3://`` URI of a zip archive of at most 100,000,000 bytes in the workflow's Region. Files are zipped in
        order, without ``.git``, ``__pycache__`` and the like, to at most 4,400,000 bytes.
    :param check_definition: what becomes of what the tools of its language find in the definition (miniwdl, cwltool;
        they come with the extra ``definitions``), and of a parameter template that does not fit its inputs: ``fail``
        refuses it before anything is sent, ``warn`` logs it, ``off`` does not look. Default ``fail``.
    :param identity_tags: whether it is tagged with the digest of its content, which needs ``omics:TagResource``;
        without it, what has the name counts as the same content. Default ``True``.
    :param wait_for_completion: whether to wait until it is ACTIVE. Default ``True``.
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

    operation = CREATE_VERSION
    template_fields: Sequence[str] = (
        "workflow_id",
        "workflow_name",
        "version_name",
        "definition",
        *CREATION_FIELDS,
        "create_workflow_version_kwargs",
        *TEMPLATED,
    )
    template_fields_renderers = {**_RENDERERS, "create_workflow_version_kwargs": "json"}  # noqa: RUF012 - as in Airflow

    def __init__(
        self,
        *,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        version_name: str | None = None,
        description: str | None = None,
        engine: str | None = None,
        main: str | None = None,
        parameter_template: dict[str, Any] | str | None = None,
        parameter_template_path: str | None = None,
        storage_type: str | None = None,
        storage_capacity: int | str | None = None,
        accelerators: str | None = None,
        container_registry_map: dict[str, Any] | str | None = None,
        container_registry_map_uri: str | None = None,
        readme_markdown: str | None = None,
        readme_path: str | None = None,
        readme_uri: str | None = None,
        definition_repository: dict[str, Any] | str | None = None,
        workflow_bucket_owner_id: str | None = None,
        tags: dict[str, str] | str | None = None,
        request_id: str | None = None,
        create_workflow_version_kwargs: dict[str, Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        given = locals()
        super().__init__(**kwargs)
        self.workflow_id = workflow_id
        self.workflow_name = workflow_name
        self.version_name = version_name
        for field in CREATION_FIELDS:
            setattr(self, field, given[field])
        self.create_workflow_version_kwargs = create_workflow_version_kwargs
        self.check_literals()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with the request whatever its templates come to."""
        more = "create_workflow_version_kwargs"
        if plain.get(more) is not None or more in (templated or ()):
            templated = None
        fields = ("workflow_id", "version_name", *CREATION_FIELDS)
        yield from literal_creation_issues(cls.operation, fields, plain, templated)
        if templated is not None and not {"workflow_id", "workflow_name"} & set(templated):
            yield from _one_workflow(plain.get("workflow_id"), plain.get("workflow_name"))

    def creation(self) -> Creation:
        """Return the CreateWorkflowVersion request, checked, with the version's name."""
        issues = list(_one_workflow(self.workflow_id, self.workflow_name))
        if issues:
            raise OmicsRequestInvalidError(self.operation, issues)
        own = {"workflowId": self.workflow_id or UNKNOWN_ID, "versionName": self.version_name}
        more = self.create_workflow_version_kwargs
        creation = named_version(self.build(own, "create_workflow_version_kwargs", more))
        if self.workflow_name is None:
            return creation
        found = self.hook.send_requests(find_workflow(self.operation, self.workflow_name), self.workflow_name)
        self.log.info("Workflow %r is %s", self.workflow_name, found.workflow_id)
        return replace(creation, request={**creation.request, "workflowId": found.workflow_id})

    def identifier(self, workflow: WorkflowSnapshot) -> str:
        """Return the version's name."""
        return str(workflow.version_name)

    def xcoms(self, created: Created) -> dict[str, Any]:
        """Return the XComs by their keys."""
        return {XCOM_WORKFLOW_ID_KEY: created.workflow.workflow_id, **super().xcoms(created)}


def _one_workflow(workflow_id: Any, name: Any) -> Iterable[Issue]:
    if bool(workflow_id) == bool(name):
        what = "is given together with workflow_name" if name else "is missing, and so is workflow_name"
        yield Issue("workflow_id", what, "Give one of them")
