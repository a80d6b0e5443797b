"""Members of the API that the installed botocore does not know yet.

aiobotocore holds botocore back for weeks, and botocore refuses to send what its model does not name. What is missing
is taken from ``data/omics/<api version>/service-2.sdk-extras.json``, in the form of botocore's own extras. botocore
would merge such a file over its model; here the installed model wins, member by member.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_SERVICE, _TYPE = "omics", "service-2"
_LOADER = "data_loader"
_DATA = Path(__file__).with_name("data") / _SERVICE


def add_newer_members(session: Any) -> None:
    """Let the clients of HealthOmics that a session makes from now on know the newest members of the API.

    Other sessions, and other services of this one, are left alone.

    :param session: a boto3, botocore or aiobotocore session.
    """
    # boto3 wraps a botocore session and offers no other way to its components; the others are one.
    core = getattr(session, "_session", session)
    loader = core.get_component(_LOADER)
    if not isinstance(loader, _CompletingLoader):
        core.register_component(_LOADER, _CompletingLoader(loader))


def complete_model(model: Mapping[str, Any], newer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service model with the shapes, members and allowed values that it lacks.

    :param model: a service model as botocore loads it; it is not changed, and what it defines stays as it is.
    :param newer: the shapes to take from, of which structures that the model knows too need only name members.
    """
    shapes = dict(model["shapes"])
    for name, shape in newer.items():
        known = shapes.get(name)
        if known is not None:
            shapes[name] = _completed(known, shape)
        elif "type" in shape:
            shapes[name] = shape
    return {**model, "shapes": shapes}


def _completed(known: Mapping[str, Any], newer: Mapping[str, Any]) -> Mapping[str, Any]:
    completed = dict(known)
    if "members" in known:
        completed["members"] = {**known["members"], **newer.get("members", {}), **known["members"]}
    if "enum" in known:
        completed["enum"] = list(dict.fromkeys([*known["enum"], *newer.get("enum", ())]))
    return completed


class _CompletingLoader:
    """A session's loader, whose model of HealthOmics is completed on the way.

    :param loader: the session's own, with the user's data paths and extras.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Load a model as :meth:`botocore.loaders.Loader.load_service_model` does."""
        model = self._loader.load_service_model(service_name, type_name, api_version)
        if (service_name, type_name) != (_SERVICE, _TYPE):
            return model
        version = api_version or self._loader.determine_latest_version(service_name, type_name)
        return complete_model(model, _newer_shapes(version))


@cache
def _newer_shapes(api_version: str) -> Mapping[str, Any]:
    file = _DATA / api_version / f"{_TYPE}.sdk-extras.json"
    shapes: dict[str, Any] = json.loads(file.read_text())["merge"]["shapes"] if file.is_file() else {}
    return shapes
