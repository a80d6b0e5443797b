"""Changing and deleting run groups, run caches and configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from airflow_provider_omics.account.kinds import ResourceKind
from airflow_provider_omics.account.poll import get_resource
from airflow_provider_omics.account.resource import DELETED, DELETING, Resource
from airflow_provider_omics.healthomics.api.calls import Request, Requests, or_none
from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize, is_denied


def delete_resource(kind: ResourceKind, identifier: str) -> Requests[bool]:
    """Delete a resource (DeleteRunGroup, DeleteRunCache, DeleteConfiguration).

    :return: True if it was deleted; False if it was gone already, or on its way.
    """
    try:
        yield Request(kind.operation("Delete"), {kind.identifier: identifier})
    except ClientError as error:
        if categorize(error) is ErrorCategory.NOT_FOUND:
            return False
        if not kind.has_status or is_denied(error) or categorize(error) is ErrorCategory.TRANSIENT:
            raise
        # What is being deleted cannot be deleted once more.
        there = yield from or_none(get_resource(kind, identifier))
        if there is not None and there.status not in (DELETING, DELETED):
            raise
        return False
    return True


def update_resource(resource: Resource, members: Mapping[str, Any], tags: Mapping[str, str]) -> Requests[None]:
    """Change a resource (UpdateRunGroup, UpdateRunCache), and add tags to it (TagResource).

    :param members: the members to change, by their API names; nothing for none.
    :param tags: tags to add, or to change; nothing for none.
    """
    if members:
        yield Request(resource.kind.operation("Update"), {"id": resource.identifier, **members})
    if tags:
        yield Request("TagResource", {"resourceArn": resource.arn, "tags": dict(tags)})
