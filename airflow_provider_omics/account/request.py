"""Building and checking the requests that create run groups, run caches and configurations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_omics.account.kinds import CONFIGURATION, RUN_CACHE, ResourceKind
from airflow_provider_omics.healthomics.requests.checks import as_typed, tag_issues
from airflow_provider_omics.healthomics.requests.coercion import coerce
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.literals import certain_issues, member_issues, missing_issues
from airflow_provider_omics.healthomics.requests.shapes import api_name, check_request, operation_model
from airflow_provider_omics.healthomics.requests.start_run import extra_members

if TYPE_CHECKING:
    from botocore.model import StructureShape

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    RUN_CACHE.suffix: ("name", "cacheS3Location"),
    CONFIGURATION.suffix: ("name", "runConfigurations"),
}
_VPC_MEMBERS = ("securityGroupIds", "subnetIds")


def build_resource(kind: ResourceKind, fields: Mapping[str, Any], extra: Any = None) -> dict[str, Any]:
    """Build a request and refuse it, with everything that is wrong at once.

    :param fields: values by their API names; None means "not sent".
    :param extra: members that this release does not name, as an object or as its JSON; they win.
    :raises OmicsRequestInvalidError: the request has problems.
    """
    operation, shape = kind.operation("Create"), _shape(kind)
    more = extra_members(operation, kind.extra, extra)
    given = {name: value for name, value in {**fields, **more}.items() if value is not None}
    request = {name: coerce(shape.members.get(name), value) for name, value in given.items()}
    # botocore makes a request id where there is none.
    issues = [*check_request(operation, {"requestId": "-", **request}), *_unmodelled_issues(kind, request)]
    if issues:
        raise OmicsRequestInvalidError(operation, [as_typed(issue, shape.members) for issue in _once(issues)])
    return request


def literal_resource_issues(
    kind: ResourceKind, plain: Mapping[str, Any], templated: Collection[str] | None
) -> Iterator[Issue]:
    """Yield what is wrong with a request whatever its templates come to.

    :param plain: arguments that are no templates, by name.
    :param templated: names of those that are; None where not all arguments are known.
    """
    names = ("name", *kind.fields)
    request = {api_name(name): plain[name] for name in names if plain.get(name) is not None}
    if plain.get(kind.extra) is not None or kind.extra in (templated or ()):
        templated = None
    issues = list(member_issues(lambda: _shape(kind), request))
    if templated is not None:
        issues += certain_issues(lambda members: _unmodelled_issues(kind, members), request, _api_names(templated))
    yield from (as_typed(issue, _shape(kind).members) for issue in issues)


def _unmodelled_issues(kind: ResourceKind, request: Mapping[str, Any]) -> Iterator[Issue]:
    yield from missing_issues(request, _REQUIRED.get(kind.suffix, ("name",)))
    yield from tag_issues("tags", request.get("tags"))
    run_configurations = request.get("runConfigurations")
    if isinstance(run_configurations, Mapping):
        yield from _vpc_issues(run_configurations.get("vpcConfig"))


def _vpc_issues(vpc: Any) -> Iterator[Issue]:
    for name in _VPC_MEMBERS:
        if isinstance(vpc, Mapping) and not vpc.get(name):
            yield Issue(f"runConfigurations.vpcConfig.{name}", "is missing", "Give the ids; the service requires them")
    if vpc is None:
        fix = "Give vpcConfig with securityGroupIds and subnetIds"
        yield Issue("runConfigurations", "has no vpcConfig, and there is no other kind of configuration", fix)


def _once(issues: Iterable[Issue]) -> list[Issue]:
    # What is required is missing for the model, too.
    found: dict[str, Issue] = {}
    for issue in issues:
        found.setdefault(f"{issue.where} {issue.what}", issue)
    return list(found.values())


def _api_names(fields: Collection[str]) -> list[str]:
    return [api_name(name) for name in fields]


def _shape(kind: ResourceKind) -> StructureShape:
    return cast("StructureShape", operation_model(kind.operation("Create")).input_shape)
