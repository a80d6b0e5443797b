"""S3 paths of a cohort: where its run settings, its samples' sheets and its results are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.requests.identity import JobKey
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.s3_uris import place_issues

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.storage import ObjectStorage

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class CohortPaths:
    """Paths in S3 of what is too large for XCom.

    :param settings: folder of the files of run settings.
    :param results: the results table, without its suffix.
    """

    settings: str
    results: str

    @classmethod
    def of(cls, key: JobKey, output_uri: str | None, settings_uri: str | None, results_uri: str | None) -> CohortPaths:
        """Choose the paths, by default under the batch's ``output_uri``.

        :raises OmicsRequestInvalidError: there is no default, or one of them is no place in S3.
        """
        base = f"{output_uri.rstrip('/')}/airflow-batches" if output_uri else None
        name = _NOT_IN_NAMES.sub("-", key.default_name())
        given = {"settings_uri": settings_uri, "results_uri": results_uri}
        issues = [*_place_issues(given, base)]
        if issues:
            raise OmicsRequestInvalidError("StartRunBatch", issues)
        settings = settings_uri or f"{base}/run-settings"
        return cls(settings.rstrip("/"), _stem(results_uri) if results_uri else f"{base}/{name}/results")

    @property
    def sample_sheets(self) -> str:
        """Folder of the samples' sheets."""
        return f"{self.settings}/sample-sheets"

    def prove_writable(self, storage: ObjectStorage, key: JobKey, *, with_results: bool) -> None:
        """Write a small object to each place, so that a wrong one is found out before anything is submitted.

        :param with_results: whether there will be results.
        :raises OmicsServiceError: one of them cannot be written to.
        """
        name = _NOT_IN_NAMES.sub("-", key.default_name())
        proofs = {"settings_uri": f"{self.settings}/{name}.write-test"}
        if with_results:
            proofs["results_uri"] = f"{self.results}.write-test"
        for parameter, uri in proofs.items():
            try:
                storage.prove_writable(uri)
            except OmicsServiceError as error:
                explained = error.explanation
                subject, remedy = f"{parameter} {explained.subject}", f"{explained.remedy}. Nothing was submitted"
                raise OmicsServiceError(replace(explained, subject=subject, remedy=remedy)) from error.__cause__


def _place_issues(given: Mapping[str, str | None], base: str | None) -> Iterable[Issue]:
    for name, uri in given.items():
        if uri is None and base is None:
            yield Issue(
                name, "is missing, and has no default without output_uri", "Give a place such as s3://my-bucket/x"
            )
        elif uri is not None:
            yield from place_issues(name, uri, "s3://my-bucket/cohort-1")


def _stem(uri: str) -> str:
    for suffix in (".csv", ".jsonl"):
        if uri.endswith(suffix):
            return uri.removesuffix(suffix)
    return f"{uri.rstrip('/')}/results"
