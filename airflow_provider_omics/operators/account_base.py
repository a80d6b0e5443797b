"""Bases of the operators that create or delete a run group, a run cache or a configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_omics.account.commands import delete_resource
from airflow_provider_omics.account.creation import CreatedResource, ResourceCreator
from airflow_provider_omics.account.kinds import ResourceKind
from airflow_provider_omics.account.request import build_resource, literal_resource_issues
from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.requests.checks import check_id
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.shapes import api_name
from airflow_provider_omics.operators.base import KillableOperator, OmicsBaseOperator
from airflow_provider_omics.operators.xcom_keys import XCOM_RESOURCE_ARN_KEY, XCOM_RESOURCE_IS_NEW_KEY
from airflow_provider_omics.operators.xcoms import push_xcoms

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsResourceOperator(KillableOperator):
    """Base of the operators that create a run group, a run cache or a configuration.

    The members of the request are described in the subclasses.

    :cvar resource_kind: what is created.
    """

    resource_kind: ClassVar[ResourceKind]
    name: str

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with the request whatever its templates come to."""
        return literal_resource_issues(cls.resource_kind, plain, templated)

    def execute(self, context: Context) -> str:
        """Create what there is not yet, and return what names it."""
        with non_retryable_errors(self):
            return self.get_or_create(context).resource.identifier

    def get_or_create(self, context: Context) -> CreatedResource:
        """Return the resource of the name, changed to be as it is asked for, or make it; and push its XComs."""
        kind = self.resource_kind
        fields = {api_name(name): getattr(self, name) for name in ("name", *kind.fields)}
        request = build_resource(kind, fields, getattr(self, kind.extra))
        is_retry = context["ti"].try_number > 1
        creator = ResourceCreator(self.hook, kind, request, self.log, self._killed.wait, is_retry=is_retry)
        created = creator.get_or_create()
        if self.do_xcom_push:
            values = {XCOM_RESOURCE_ARN_KEY: created.resource.arn, XCOM_RESOURCE_IS_NEW_KEY: created.is_new}
            push_xcoms(context, self.log, values)
        return created


class OmicsDeleteResourceOperator(OmicsBaseOperator):
    """Base of the operators that delete a run group, a run cache or a configuration.

    :cvar resource_kind: what is deleted.
    """

    resource_kind: ClassVar[ResourceKind]

    def execute(self, context: Context) -> str:
        """Delete it, unless it is gone already."""
        kind = self.resource_kind
        with non_retryable_errors(self):
            value = getattr(self, kind.argument)
            identifier = check_id(kind.operation("Delete"), kind.identifier, kind.argument, value)
            label = kind.label(identifier)
            deleted = self.hook.send_requests(delete_resource(kind, identifier), label)
        self.log.info("HealthOmics %s %s", label, "was deleted" if deleted else "was gone already")
        return identifier
