"""Kinds of resources: which operations make, show, list and change each, and which members they can change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_omics.healthomics.requests.shapes import snake_case


@dataclass(frozen=True)
class ResourceKind:
    """Kind of resource of an account.

    :param name: what to call one, as in ``run group``.
    :param suffix: how its operations end, as in ``CreateRunGroup``.
    :param identifier: member of the API that names one: ``id`` or ``name``.
    :param argument: what an operator calls that member.
    :param fields: members of the request that creates one, as users type them, without its name.
    :param changeable: those that the API can change, by their API names.
    :param shown_as: how answers call members that have another name there.
    :param lists_by_name: whether its list operation can be asked for one name.
    :param has_status: whether it has a status; without one it can be used as soon as it is there.
    """

    name: str
    suffix: str
    identifier: str
    argument: str
    fields: tuple[str, ...]
    changeable: frozenset[str] = frozenset()
    shown_as: Mapping[str, str] = field(default_factory=dict)
    lists_by_name: bool = False
    has_status: bool = True

    def operation(self, verb: str) -> str:
        """Return the operation of a verb, such as ``Create``."""
        return f"{verb}{self.suffix}{'s' if verb == 'List' else ''}"

    def command(self, verb: str, identifier: str) -> str:
        """Return the command of the AWS CLI for one."""
        words = snake_case(self.suffix[0].lower() + self.suffix[1:]).replace("_", "-")
        return f"aws omics {verb}-{words} --{self.identifier} {identifier}"

    @property
    def extra(self) -> str:
        """The argument for members of the request that this release does not name."""
        return f"create_{snake_case(self.suffix[0].lower() + self.suffix[1:])}_kwargs"

    def label(self, identifier: str, name: str | None = None) -> str:
        """Return what to call one in a message."""
        also = f" ({name})" if name and name != identifier else ""
        return f"{self.name} {identifier}{also}"


RUN_GROUP = ResourceKind(
    "run group",
    "RunGroup",
    "id",
    "run_group_id",
    ("max_cpus", "max_gpus", "max_runs", "max_duration", "tags", "request_id"),
    changeable=frozenset({"maxCpus", "maxGpus", "maxRuns", "maxDuration"}),
    lists_by_name=True,
    has_status=False,
)
RUN_CACHE = ResourceKind(
    "run cache",
    "RunCache",
    "id",
    "cache_id",
    ("cache_s3_location", "cache_behavior", "description", "cache_bucket_owner_id", "tags", "request_id"),
    changeable=frozenset({"cacheBehavior", "description"}),
    shown_as={"cacheS3Location": "cacheS3Uri"},
)
CONFIGURATION = ResourceKind(
    "configuration",
    "Configuration",
    "name",
    "name",
    ("run_configurations", "description", "tags", "request_id"),
)
