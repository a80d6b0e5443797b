"""Datasets of a lineage: the places in S3 that parameters, settings and outputs name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from airflow_provider_omics.healthomics.requests.input_objects import is_output
from airflow_provider_omics.healthomics.requests.input_places import single_uris, texts_of
from airflow_provider_omics.healthomics.requests.s3_uris import parse_s3_uri

MOST_DATASETS = 200
"""Most datasets of one side of a lineage; more are counted."""

_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|token|credential|signature|(api|access|private|secret)[_-]?key|(^|[_-])auth",
    re.IGNORECASE,
)
_SIGNED_QUERY = re.compile(r"\?.*(X-Amz-|Signature=|token=|password=)", re.IGNORECASE | re.DOTALL)


class Dataset(NamedTuple):
    """Dataset in S3, by OpenLineage's naming.

    :param namespace: such as ``s3://my-bucket``.
    :param name: the object's key, or the prefix of a folder.
    """

    namespace: str
    name: str


class Datasets:
    """Distinct datasets, in the order in which they were noted.

    :ivar more: how many were not noted, since there were :data:`MOST_DATASETS` before them.
    """

    def __init__(self) -> None:
        self._noted: dict[Dataset, None] = {}
        self.more = 0

    def __iter__(self) -> Iterator[Dataset]:
        return iter(self._noted)

    def __len__(self) -> int:
        return len(self._noted)

    def add(self, uri: Any) -> None:
        """Note a place; what is no S3 URI, or a template still, is passed over."""
        parsed = parse_s3_uri(uri)
        if parsed is None or "{{" in uri:
            return
        key = parsed.key or ""
        # What signs a request is a secret of its own.
        key = key.partition("?")[0] if _SIGNED_QUERY.search(key) else key
        dataset = Dataset(f"s3://{parsed.bucket}", key.strip("/") or "/")
        if dataset in self._noted:
            return
        if len(self._noted) == MOST_DATASETS:
            self.more += 1
            return
        self._noted[dataset] = None

    def note_inputs(self, parameters: Any) -> None:
        """Note the places that parameters name, but those for outputs, and whatever is called like a secret.

        :param parameters: an object of JSON.
        """
        for path, text in texts_of(parameters, "parameters"):
            if not is_output(path):
                self._note(path, text)

    def note_outputs(self, outputs: Any) -> None:
        """Note the places that ``outputs.json`` names.

        :param outputs: what it holds.
        """
        for path, text in texts_of(outputs, "outputs"):
            self._note(path, text)

    def _note(self, path: str, text: str) -> None:
        if text.startswith("s3://") and not _SECRET_NAME.search(path):
            for uri in single_uris(text):
                self.add(uri)
