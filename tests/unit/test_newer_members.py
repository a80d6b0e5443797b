"""Members that the installed botocore lacks are added to its model; what it defines itself stays as it is."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import aiobotocore.session
import boto3
import botocore.session
import pytest
from botocore.loaders import JSONFileLoader

from airflow_provider_omics.healthomics.api.newer_members import add_newer_members, complete_model

NEWER: dict[str, Any] = {
    "StartRunRequest": {"members": {"mode": {"shape": "Mode"}, "uri": {"shape": "Uri"}, "pays": {"shape": "Boolean"}}},
    "Gone": {"members": {"mode": {"shape": "Mode"}}},
    "Mode": {"type": "string", "enum": ["A", "B"]},
    "Uri": {"type": "string", "max": 10},
    "Boolean": {"type": "boolean"},
}


def model(**shapes: Any) -> dict[str, Any]:
    known = {
        "StartRunRequest": {"type": "structure", "members": {"name": {"shape": "Name"}}},
        "Name": {"type": "string"},
    }
    return {"metadata": {"serviceId": "Omics"}, "shapes": {**known, **shapes}}


def test_what_is_missing_is_added_and_the_model_itself_is_left_alone() -> None:
    installed = model()
    before = copy.deepcopy(installed)
    completed = complete_model(installed, NEWER)
    assert installed == before
    assert completed["metadata"] == installed["metadata"]
    assert set(completed["shapes"]["StartRunRequest"]["members"]) == {"name", "mode", "uri", "pays"}
    assert completed["shapes"]["Mode"] == NEWER["Mode"]
    # A structure that the model does not have is no structure that anything could be sent in.
    assert "Gone" not in completed["shapes"]


def test_each_member_that_the_model_has_stays_as_it_defines_it() -> None:
    structure = {"type": "structure", "members": {"uri": {"shape": "S3Uri", "location": "querystring"}}}
    installed = model(StartRunRequest=structure, S3Uri={"type": "string"}, Uri={"type": "integer"})
    shapes = complete_model(installed, NEWER)["shapes"]
    assert shapes["StartRunRequest"]["members"]["uri"] == {"shape": "S3Uri", "location": "querystring"}
    assert list(shapes["StartRunRequest"]["members"]) == ["uri", "mode", "pays"]
    assert shapes["Uri"] == {"type": "integer"}


def test_allowed_values_are_added_behind_those_of_the_model() -> None:
    shapes = complete_model(model(Mode={"type": "string", "enum": ["C", "B"], "max": 5}), NEWER)["shapes"]
    assert shapes["Mode"] == {"type": "string", "enum": ["C", "B", "A"], "max": 5}


def test_a_model_that_has_everything_does_not_change() -> None:
    whole = complete_model(model(), NEWER)
    assert complete_model(whole, NEWER) == whole


SESSIONS: dict[str, Any] = {
    "boto3": boto3.Session,
    "botocore": botocore.session.get_session,
    "aiobotocore": aiobotocore.session.get_session,
}


def core(session: Any) -> Any:
    return getattr(session, "_session", session)


def members(session: Any, shape: str = "StartRunRequest") -> set[str]:
    return set(
        core(session).get_component("data_loader").load_service_model("omics", "service-2")["shapes"][shape]["members"]
    )


@pytest.mark.parametrize("kind", SESSIONS)
def test_only_the_session_that_is_asked_knows_more(kind: str) -> None:
    untouched = members(SESSIONS[kind]())
    session = SESSIONS[kind]()
    add_newer_members(session)
    add_newer_members(session)
    assert members(session) == untouched | {"outputUriPrefixMode", "parametersUri", "requesterPaysEnabled"}
    assert members(SESSIONS[kind]()) == untouched
    loader, plain = core(session).get_component("data_loader"), core(SESSIONS[kind]()).get_component("data_loader")
    assert loader.load_service_model("sqs", "service-2") == plain.load_service_model("sqs", "service-2")
    assert loader.load_service_model("omics", "waiters-2") == plain.load_service_model("omics", "waiters-2")
    assert loader.search_paths == plain.search_paths


def test_what_a_users_own_data_path_says_counts_as_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"StartRunRequest": {"members": {"mine": {"shape": "Boolean"}, "parametersUri": {"shape": "Boolean"}}}}
    folder = tmp_path / "omics" / "2022-11-28"
    folder.mkdir(parents=True)
    (folder / "service-2.sdk-extras.json").write_text(json.dumps({"version": 1.0, "merge": {"shapes": own}}))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    # botocore merges extras into what it has read, which the tests share.
    shared = JSONFileLoader.load_file
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda self, path: copy.deepcopy(shared(self, path)))
    session = botocore.session.get_session()
    add_newer_members(session)
    shape = session.get_service_model("omics").operation_model("StartRun").input_shape
    assert {"mine", "outputUriPrefixMode", "requesterPaysEnabled"} <= set(shape.members)
    assert shape.members["parametersUri"].type_name == "boolean"
