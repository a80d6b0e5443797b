"""Criteria of pruning: which runs or batches are meant, whether or not they may be deleted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_omics.healthomics.pruning.candidate import PruneCandidate
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.s3_uris import object_uri_issues

_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True)
class PruneCriteria:
    """Criteria that a run or a batch has to meet, all of them.

    :param older_than: seconds since its end, at least; None for any age.
    :param statuses: the statuses that are meant; empty for all.
    :param name_pattern: pattern of the name, with ``*``, ``?`` and ``[...]``, case-sensitive; None for any name.
    :param tags: tags with their values; a value of None means any.
    :param run_group_id: id of the run group, which the service itself selects by.
    :param workflow_ids: ids of the workflows that are meant; None for all.
    """

    older_than: float | None = None
    statuses: frozenset[str] = frozenset()
    name_pattern: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    run_group_id: str | None = None
    workflow_ids: frozenset[str] | None = None

    @property
    def listed_by(self) -> dict[str, Any]:
        """The one filter that the list operation is sent; that others can be sent with it is not documented."""
        if self.run_group_id is not None:
            return {"runGroupId": self.run_group_id}
        if len(self.statuses) == 1:
            return {"status": next(iter(self.statuses))}
        return {}

    def may_match(self, job: PruneCandidate, now: float) -> bool:
        """Whether a run or a batch meets all criteria that the list operation shows enough for.

        :param now: in seconds since the epoch.
        """
        # Nothing ends before it was created.
        return (
            (not self.statuses or job.status in self.statuses)
            and (self.name_pattern is None or fnmatchcase(job.name or "", self.name_pattern))
            and (self.workflow_ids is None or job.workflow_id in self.workflow_ids)
            and self._is_old(job.known_end or job.created_at, now)
        )

    def matches(self, job: PruneCandidate, now: float) -> bool:
        """Whether a run or a batch that was read meets all criteria; one that is active, but for its end.

        :param now: in seconds since the epoch.
        """
        has_tags = all(key in job.tags and value in (None, job.tags[key]) for key, value in self.tags.items())
        return has_tags and self.may_match(job, now)

    def _is_old(self, moment: float | None, now: float) -> bool:
        return self.older_than is None or (moment is not None and now - moment >= self.older_than)


CRITERIA = ("workflow_id", "workflow_name", "run_group_id", "name_pattern", "status", "tags", "older_than")
"""The criteria as users type them, of which at least one is required."""


def criteria_issues(plain: Mapping[str, Any], templated: Collection[str], statuses: Collection[str]) -> Iterator[Issue]:
    """Yield what is wrong with criteria as they were given.

    :param plain: arguments that are no templates, by name.
    :param templated: names of those that are.
    :param statuses: statuses of what can be deleted.
    """
    if not any(_is_given(plain.get(name)) or name in templated for name in CRITERIA):
        fix = f"Give at least one of {', '.join(CRITERIA)}, such as older_than='P30D'"
        yield Issue("older_than", "is missing, and so is every other criterion: all records would be meant", fix)
    for name in CRITERIA:
        if plain.get(name) is not None and not _is_given(plain[name]):
            fix = "Leave the argument out if it is not to select anything"
            yield Issue(
                name, "is empty; a criterion that comes to nothing would let more be deleted than is meant", fix
            )
    yield from _status_issues(plain.get("status"), statuses)
    for name in ("name_pattern", "workflow_name"):
        if _is_given(plain.get(name)) and not isinstance(plain[name], str):
            yield Issue(name, f"is {plain[name]!r}", "Give text")
    for name in ("run_group_id", "workflow_id"):
        if _is_given(plain.get(name)) and not _ID.fullmatch(str(plain[name])):
            yield Issue(name, f"is {plain[name]!r}", "Give the id that the service gave out, 1 to 18 digits")
    if _is_given(plain.get("tags")) and not _are_tags(plain["tags"]):
        yield Issue("tags", f"is {plain['tags']!r}", "Give a dict of text, with None for any value")
    if _is_given(plain.get("plan_uri")):
        yield from object_uri_issues("plan_uri", plain["plan_uri"])


def statuses_of(given: str | Iterable[str] | None) -> frozenset[str]:
    """Return statuses that were given as one, as several, or not at all."""
    if not given:
        return frozenset()
    return frozenset({given} if isinstance(given, str) else given)


def _status_issues(given: Any, statuses: Collection[str]) -> Iterator[Issue]:
    fix = f"Use {', '.join(statuses)}, as one or as a list"
    if given is None or isinstance(given, (str, list, tuple, set, frozenset)):
        for status in given if isinstance(given, (list, tuple, set, frozenset)) else statuses_of(given):
            if status not in statuses:
                yield Issue("status", f"has {status!r}, in which nothing can be deleted", fix)
    else:
        yield Issue("status", f"is {given!r}", fix)


def _are_tags(tags: Any) -> bool:
    return isinstance(tags, Mapping) and all(
        isinstance(key, str) and (value is None or isinstance(value, str)) for key, value in tags.items()
    )


def _is_given(value: Any) -> bool:
    # A template may come to nothing.
    return value is not None and value not in ("", [], (), {})
