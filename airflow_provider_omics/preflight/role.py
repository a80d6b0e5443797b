"""Check of the service role: it has the form of one, and is of the account that starts the runs."""

from __future__ import annotations

import re
from typing import ClassVar

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.preflight.check import ServiceRequest
from airflow_provider_omics.preflight.findings import ROLE, Finding, bad, good
from airflow_provider_omics.preflight.plan import Plan

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/[\w+=,.@/-]+", re.ASCII)


class RoleCheck:
    """Service role (GetCallerIdentity, which everyone may call). Whether IAM has the role is not asked."""

    kind: ClassVar[str] = ROLE
    where: ClassVar[str] = "role_arn"

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask for the account."""
        arn = plan.get("roleArn")
        if arn is None:
            return []
        form = _ROLE_ARN.fullmatch(arn)
        if form is None:
            fix = "Give the ARN of a role, as in arn:aws:iam::123456789012:role/omics"
            return [bad(ROLE, self.where, f"{arn!r} is not the ARN of a role", fix)]
        caller = yield ServiceRequest("GetCallerIdentity", {}, "sts")
        if caller.get("Account") != form[1]:
            what = f"the role is of account {form[1]}, and the connection of {caller.get('Account')}"
            return [bad(ROLE, self.where, what, "Use a role of the account that starts the runs")]
        return [good(ROLE, self.where, "the role is of this account; whether it exists was not asked")]
