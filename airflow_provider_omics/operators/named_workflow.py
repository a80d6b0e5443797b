"""The workflow that a name stands for: looked up once for a cohort, and kept for its retries and redrives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from airflow_provider_omics.hooks.storage import ObjectStorage
from airflow_provider_omics.workflows.lookup import FoundWorkflow


def keep_workflow(
    storage: ObjectStorage, place: str, asked: tuple[str, ...], find: Callable[[], FoundWorkflow]
) -> FoundWorkflow:
    """Return the workflow that a task instance looked up first, whichever of its tries that was.

    All samples of a cohort are run by the same version, also when there is a newer one by the time of a redrive.

    :param place: folder in S3 of the files of run settings.
    :param asked: the task instance, and what it asks for.
    :param find: looks it up.
    """
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    uri = f"{place}/workflows/{digest[:40]}.json"
    if not storage.exists(uri):
        content = json.dumps(find().members, sort_keys=True).encode()
        storage.put_all_once([(uri, content)], "application/json")
    # Another try may have been faster.
    with storage.open(uri) as stream:
        return FoundWorkflow.from_members(json.load(stream))
