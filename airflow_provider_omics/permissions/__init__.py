"""IAM actions that each operator, sensor, trigger and hook method needs, and policies made of them.

The one list of them: the documentation is made from it, and ``tests/service/test_permissions.py`` runs each of them
with no more than it says.
"""

from __future__ import annotations

from airflow_provider_omics.permissions.hook import HOOK_METHODS
from airflow_provider_omics.permissions.listed import PERMISSIONS
from airflow_provider_omics.permissions.model import Feature, Permissions
from airflow_provider_omics.permissions.policy import policy_document, service_role_policy, service_role_trust

__all__ = [
    "HOOK_METHODS",
    "PERMISSIONS",
    "Feature",
    "Permissions",
    "policy_document",
    "service_role_policy",
    "service_role_trust",
]
