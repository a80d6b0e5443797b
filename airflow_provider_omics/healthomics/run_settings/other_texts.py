"""Texts that stand where other samples have S3 URIs: a file's name, a word for nothing, or a row that is no sample."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.first_of import FirstOf
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation
from airflow_provider_omics.healthomics.run_settings.notes import Notes
from airflow_provider_omics.healthomics.run_settings.text import shown

# Of each kind, messages need no more.
_KEPT = 100
_FILE_NAME = re.compile(
    r"(?:[\w.+-]+/)+[\w.+-]+\.[a-z]\w*|[\w.+-]+\.(?:[us]?bam|cram|sam|f(?:ast)?q|f(?:ast)?a|g?vcf|bcf|pod5|fast5)(?:\.gz)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Text:
    """A text that names no place.

    :param name: the parameter.
    :param where: row and column, in words.
    """

    name: str
    where: str
    value: str


class OtherTexts:
    """Collects texts that name no place, until it is known which parameters are given S3 URIs.

    :param meant: parameters whose type was stated to be text.
    """

    def __init__(self, origin: SourceLocation, meant: Collection[str]) -> None:
        self._origin = origin
        self._meant = meant
        self._of_names: dict[str, FirstOf[_Text]] = {}
        # For each sample that names no object: its texts, of which one may stand in the place of an S3 URI.
        self._without_objects: list[list[_Text]] = []
        self._more_with_objects = 0

    def count(self, objects: int) -> None:
        """Count a sample, and whether it names objects in S3."""
        self._more_with_objects += 1 if objects else -1

    def add(self, numbers: tuple[int, ...], texts: Collection[tuple[str, str, str]], *, has_objects: bool) -> None:
        """Take the texts of one sample.

        :param texts: the parameter, the path and the value of each.
        """
        found = [
            _Text(name, self._origin.member(numbers, path), value)
            for name, path, value in texts
            if name.partition(".")[0] not in self._meant
        ]
        for text in found:
            self._of_names.setdefault(text.name, FirstOf(_KEPT)).add(text)
        if found and not has_objects and len(self._without_objects) < _KEPT:
            self._without_objects.append(found)

    def issues(self, s3_names: Collection[str]) -> Iterator[Issue]:
        """Yield the texts that cannot be meant.

        :param s3_names: the parameters that some samples give S3 URIs.
        """
        refused = set()
        if self._more_with_objects >= 0:
            for texts in self._without_objects:
                text = next((text for text in texts if text.name in s3_names), None)
                if text is not None:
                    refused.add(text)
                    yield self._no_sample(text)
        for name in self._of_names.keys() & s3_names:
            for text in self._of_names[name].first:
                if text not in refused and _FILE_NAME.fullmatch(text.value):
                    what = f"{shown(text.value)} is the name of a file; others have S3 URIs there"
                    fix = f"Copy the file to S3, and write its URI{self._if_meant(text)}"
                    yield Issue(text.where, what, fix)

    def tell(self, s3_names: Collection[str], notes: Notes) -> None:
        """Tell of those that may be meant."""
        for name, texts in self._of_names.items():
            if name in s3_names:
                text, count = texts.first[0], texts.count
                are = "value is no S3 URI" if count == 1 else "values are no S3 URIs"
                notes.add(
                    f"{count:,} {are} where others have one; the first: {shown(text.value)} in {text.where}. "
                    f"Empty the cell if there is no file{self._if_meant(text)}",
                    warning=True,
                )

    def _no_sample(self, text: _Text) -> Issue:
        what = f"{shown(text.value)} is no S3 URI, as others have there, and no other value of the sample is one"
        fix = f"Write the URI, or remove the {self._origin.unit.value} if it is no sample{self._if_meant(text)}"
        return Issue(text.where, what, fix)

    def _if_meant(self, text: _Text) -> str:
        if self._origin.id_column is None:
            return ""
        return f"; if it is meant, set parameter_types={{{text.name.partition('.')[0]!r}: 'string'}}"
