"""The newest botocore of the index has no member, bound or status of runs and batches that this package lacks."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from enum import StrEnum
from typing import Any

import pytest

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus, SubmissionStatus, TaskStatus
from airflow_provider_omics.healthomics.requests.shapes import api_name, service_model
from airflow_provider_omics.healthomics.requests.start_run_batch import DEFAULT_RUN_SETTING_FIELDS
from airflow_provider_omics.operators.run import START_RUN_FIELDS

MODEL = "botocore/data/omics/2022-11-28/service-2.json"
# What the operators send, and the answers in which it comes back.
STRUCTURES = ("StartRunRequest", "StartRunBatchRequest", "DefaultRunSetting", "InlineSetting", "GetRunResponse")
STATUSES: dict[str, type[StrEnum]] = {
    "RunStatus": RunStatus,
    "TaskStatus": TaskStatus,
    "BatchStatus": BatchStatus,
    "SubmissionStatus": SubmissionStatus,
}
# batchRunSettings is made of run_settings, defaultRunSetting of the fields below.
BATCH_FIELDS = {"batchName", "requestId", "tags", "defaultRunSetting", "batchRunSettings"}
BOUNDS = ("type", "min", "max", "pattern", "enum")


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The shapes of HealthOmics in the newest botocore that the index has."""
    folder = tmp_path_factory.mktemp("botocore")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest", str(folder)]
    answer = subprocess.run([*pip, "botocore"], capture_output=True, text=True, check=False, timeout=300)
    if answer.returncode and "No matching distribution" in answer.stderr:
        pytest.skip("no package index can be reached, so the newest botocore is not known")
    assert answer.returncode == 0, answer.stderr
    (wheel,) = folder.glob("botocore-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shapes: dict[str, Any] = json.loads(gzip.decompress(archive.read(f"{MODEL}.gz")))["shapes"]
    return shapes


def test_every_member_of_a_start_has_its_parameter(newest: dict[str, Any]) -> None:
    lacking = {
        "OmicsStartRunOperator": set(newest["StartRunRequest"]["members"])
        - {api_name(name) for name in START_RUN_FIELDS},
        "OmicsStartRunBatchOperator": (set(newest["StartRunBatchRequest"]["members"]) - BATCH_FIELDS)
        | (set(newest["DefaultRunSetting"]["members"]) - {api_name(name) for name in DEFAULT_RUN_SETTING_FIELDS}),
    }
    assert lacking == {"OmicsStartRunOperator": set(), "OmicsStartRunBatchOperator": set()}


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_member_is_known_to_our_clients_with_the_same_bounds(newest: dict[str, Any], name: str) -> None:
    ours = service_model().shape_for(name).members
    lacking = sorted(set(newest[name]["members"]) - set(ours))
    assert lacking == [], f"{name} of the newest botocore has {lacking}: add them to service-2.sdk-extras.json"
    for member, reference in newest[name]["members"].items():
        theirs = newest[reference["shape"]]
        known = {"type": ours[member].type_name, **ours[member].metadata}
        assert [known.get(bound) for bound in BOUNDS] == [theirs.get(bound) for bound in BOUNDS], f"{name}.{member}"


@pytest.mark.parametrize("name", STATUSES)
def test_every_status_is_known(newest: dict[str, Any], name: str) -> None:
    assert set(newest[name]["enum"]) - {status.value for status in STATUSES[name]} == set()
