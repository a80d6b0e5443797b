"""Check of the container images: those of the definition are in ECR, and HealthOmics may pull them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Requests, or_none
from airflow_provider_omics.healthomics.api.service_errors import error_code
from airflow_provider_omics.healthomics.run_settings.definition_types import DefinitionUnreadableError
from airflow_provider_omics.preflight.check import ServiceRequest, or_unknown
from airflow_provider_omics.preflight.container_images import (
    MOST_IMAGES,
    EcrImage,
    NamedImages,
    named_images,
    texts_in,
)
from airflow_provider_omics.preflight.findings import IMAGES, Finding, Verdict, bad, good, unknown
from airflow_provider_omics.preflight.plan import Plan
from airflow_provider_omics.preflight.repository_policy import HEALTHOMICS, PULLING, Access, access_of
from airflow_provider_omics.preflight.workflow import get_workflow

_NO_REPOSITORY, _NO_IMAGE, _NO_POLICY = (
    "RepositoryNotFoundException",
    "ImageNotFoundException",
    "RepositoryPolicyNotFoundException",
)
_GRANT = f"Let the principal {HEALTHOMICS} use {', '.join(PULLING)} in the repository's policy"
_MOST_SHOWN = 5


@dataclass(frozen=True)
class ImageCheck:
    """Container images (GetWorkflow with ``export``, DescribeImages and GetRepositoryPolicy of ECR).

    :param download: fetches a definition from its link.
    """

    download: Callable[[str], bytes]
    kind: ClassVar[str] = IMAGES
    where: ClassVar[str] = "definition"

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask for the definition, then for each image that it names."""
        if plan.get("workflowId") is None or plan.get("workflowType") == "READY2RUN":
            return []
        if plan.get("workflowOwnerId") is not None:
            what = "the definition of a shared workflow cannot be read, so its images are not known"
            return [unknown(IMAGES, self.where, what, "Ask its owner whether this account may pull them")]
        workflow = yield from or_none(get_workflow(plan, export=["DEFINITION"]))
        if workflow is None:
            # The check of the workflow says so.
            return []
        texts, findings = self._texts(workflow)
        parameters = json.dumps(plan.members.get("parameters") or {})
        registry_map = workflow.get("containerRegistryMap") or {}
        images = named_images(texts, registry_map, _account(workflow), plan.region, parameters)
        findings += _elsewhere(images)
        findings += yield from _checked(images, plan.region)
        return findings

    def _texts(self, workflow: Mapping[str, Any]) -> tuple[dict[str, str], list[Finding]]:
        link, why = workflow.get("definition"), "the service gives no link to it"
        if link:
            try:
                return texts_in(self.download(link)), []
            except DefinitionUnreadableError as error:
                why = str(error)
            except Exception as error:  # whatever fetching it raises, it is no reason to fail
                why = f"it could not be fetched ({type(error).__name__}: {error})"
        fix = "Check its images yourself, or leave this check out"
        return {}, [unknown(IMAGES, self.where, f"the definition cannot be read for images: {why}", fix)]


def _checked(images: NamedImages, region: str) -> Requests[list[Finding]]:
    findings: list[Finding] = []
    policies: set[tuple[str, str]] = set()
    refused: set[str] = set()
    for image in images.ecr[:MOST_IMAGES]:
        if image.region != region:
            what = f"{image} is in {image.region}, and the runs are in {region}"
            found = [bad(IMAGES, str(image), what, f"Use a copy of it in {region}, by its name there")]
        elif image.account in refused:
            continue
        else:
            found = yield from or_unknown(IMAGES, str(image), _present(image), "ecr")
        findings += [_weighed(one, image, images) for one in found]
        if any(one.is_refusal for one in found):
            # What is refused for one image is refused for the others of its registry.
            refused.add(image.account)
            continue
        place = image.account, image.repository
        if place not in policies and all(one.verdict is Verdict.GOOD for one in found):
            policies.add(place)
            read = yield from or_unknown(IMAGES, _repository(image), _readable(image), "ecr")
            findings += [_weighed(one, image, images) for one in read]
    if len(images.ecr) > MOST_IMAGES:
        what = f"of {len(images.ecr):,} images the first {MOST_IMAGES} were checked"
        findings.append(unknown(IMAGES, "definition", what, "Check the others yourself"))
    return findings


def _weighed(found: Finding, image: EcrImage, images: NamedImages) -> Finding:
    """Return a finding about an image, which is no more than unknown where no run may need what is not there."""
    if found.verdict is not Verdict.BAD:
        return found
    issue = found.issue
    if image in images.pulled_through and issue.where == str(image):
        what = f"{issue.what}, and the first pull through the cache of the container registry map may bring it there"
        return unknown(IMAGES, issue.where, what, "See that the cache has a rule for it")
    if image not in images.certain:
        what = f"{issue.what}; the definition mentions the image, but not plainly as that of a task"
        return unknown(IMAGES, issue.where, what, f"If a task uses it: {issue.fix}")
    return found


def _present(image: EcrImage) -> Requests[list[Finding]]:
    members = {"registryId": image.account, "repositoryName": image.repository, "imageIds": [image.identifier]}
    try:
        yield ServiceRequest("DescribeImages", members, "ecr")
    except ClientError as error:
        code = error_code(error)
        if code not in (_NO_REPOSITORY, _NO_IMAGE):
            raise
        if code == _NO_REPOSITORY:
            what = f"account {image.account} has no repository {image.repository} in {image.region}"
            fix = "Create it and push the image, or correct the definition; what a pull-through cache brings, pull once"
            return [bad(IMAGES, str(image), what, fix)]
        what = f"repository {image.repository} has no such image"
        return [bad(IMAGES, str(image), what, "Push it, or correct its tag or digest in the definition")]
    return [good(IMAGES, str(image), "is there")]


def _readable(image: EcrImage) -> Requests[list[Finding]]:
    where, members = _repository(image), {"registryId": image.account, "repositoryName": image.repository}
    try:
        answer = yield ServiceRequest("GetRepositoryPolicy", members, "ecr")
        access = access_of(answer["policyText"])
    except ClientError as error:
        if error_code(error) != _NO_POLICY:
            raise
        return [bad(IMAGES, where, f"has no policy, so that {HEALTHOMICS} may not pull from it", _GRANT)]
    except ValueError as error:
        return [unknown(IMAGES, where, f"its policy cannot be read: {error}", _GRANT)]
    match access:
        case Access.DENIED:
            return [bad(IMAGES, where, f"its policy does not let {HEALTHOMICS} pull", _GRANT)]
        case Access.CONDITIONAL:
            what = f"its policy lets {HEALTHOMICS} pull only under conditions, which were not judged"
            return [unknown(IMAGES, where, what, "Compare them with this account and its runs")]
    return [good(IMAGES, where, f"its policy lets {HEALTHOMICS} pull")]


def _elsewhere(images: NamedImages) -> list[Finding]:
    if not images.others:
        return []
    shown = ", ".join(images.others[:_MOST_SHOWN]) + (", ..." if len(images.others) > _MOST_SHOWN else "")
    what = f"names images outside of ECR that its container registry map does not lead to ECR: {shown}"
    fix = "If tasks use them, copy them to ECR, or map them when the workflow is created"
    return [unknown(IMAGES, "definition", what, fix)]


def _repository(image: EcrImage) -> str:
    return f"repository {image.repository} of {image.account}"


def _account(workflow: Mapping[str, Any]) -> str:
    parts = str(workflow.get("arn", "")).split(":")
    return parts[4] if len(parts) > 4 else ""
