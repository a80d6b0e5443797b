"""The run settings of a batch: how they are read, checked, and merged with the defaults."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NoReturn

from botocore.model import Shape

from airflow_provider_omics.healthomics.requests.shapes import check_shape, service_model
from airflow_provider_omics.local.errors import AccessDeniedException, ValidationException
from airflow_provider_omics.local.records import BatchEntry

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_REPLACED = ("name", "outputUri", "priority", "outputBucketOwnerId", "engineSettings")
_NOT_OF_A_RUN = frozenset({"runTags", "outputBucketOwnerId"})


class BatchFailure(Exception):
    """The batch as a whole fails; the text becomes its ``failureReason``."""


def entries_of_list(settings: list[dict[str, Any]]) -> list[BatchEntry]:
    """Return the entries of ``inlineSettings``."""
    return [BatchEntry(setting["runSettingId"], json.dumps(setting)) for setting in settings]


def entries_of_file(content: bytes) -> list[BatchEntry]:
    """Return the entries of a file that ``s3UriSettings`` names.

    :param content: a JSON array of objects like those of ``inlineSettings``.
    :raises BatchFailure: it is something else.
    """
    try:
        return [BatchEntry(_id_of(value, index), text) for index, (value, text) in enumerate(_items(content))]
    except ValueError as error:
        raise BatchFailure(f"Invalid JSON in run configurations: {error}") from error


def check_entries(entries: list[BatchEntry], limit: int) -> None:
    """Check the number of entries and that their ids are unique.

    :param limit: most entries of a batch.
    :raises BatchFailure: with the service's own words.
    """
    if len(entries) > limit:
        raise BatchFailure(f"Batch has {len(entries)} runs but {limit} runs is the max.")
    if not entries:
        raise BatchFailure("Batch has 0 runs but at least 1 run is needed.")
    check_unique(entries)


def check_unique(entries: list[BatchEntry]) -> None:
    """Check that no run setting id comes twice.

    :raises BatchFailure: with the service's own words.
    """
    unique = len({entry.run_setting_id for entry in entries})
    if unique != len(entries):
        raise BatchFailure(f"Expected {len(entries)} unique runSettingIds but there were {unique}")


def merged_request(defaults: Mapping[str, Any], setting: Mapping[str, Any], account: str) -> dict[str, Any]:
    """Merge one run setting with the defaults into the StartRun request of its run.

    ``parameters`` and ``runTags`` are merged by key, everything else is replaced.

    :param defaults: the batch's ``defaultRunSetting``.
    :param setting: one InlineSetting.
    :param account: the account that owns every bucket here.
    :raises ServiceError: the setting has members or values that the model does not allow, or it expects the
        output bucket to be someone else's.
    """
    for issue in check_shape(_setting_shape(), setting, "runSetting"):
        raise ValidationException(str(issue))
    merged = {**defaults, **{name: setting[name] for name in _REPLACED if setting.get(name) is not None}}
    owner = merged.get("outputBucketOwnerId")
    if owner not in (None, account):
        raise AccessDeniedException(f"The output bucket does not belong to account {owner}")
    request = {name: value for name, value in merged.items() if name not in _NOT_OF_A_RUN}
    request["parameters"] = _by_key(defaults.get("parameters"), setting.get("parameters"))
    request["tags"] = _by_key(defaults.get("runTags"), setting.get("runTags"))
    return request


@cache
def _setting_shape() -> Shape:
    # botocore works out a shape's members once per object, which 100,000 settings can share.
    return service_model().shape_for("InlineSetting")


def _by_key(default: Any, own: Any) -> Any:
    if default is None or own is None:
        return {} if default is own is None else (own if default is None else default)
    if isinstance(default, Mapping) and isinstance(own, Mapping):
        return {**default, **own}
    return own


def _id_of(value: Any, index: int) -> str:
    run_setting_id = value.get("runSettingId") if isinstance(value, dict) else None
    if not isinstance(run_setting_id, str) or not run_setting_id:
        raise BatchFailure(f"Run configuration {index} is not an object with a runSettingId")
    return run_setting_id


def _items(content: bytes) -> Iterator[tuple[Any, str]]:
    # One element at a time, with its text: the parsed form of a whole file takes several times its size.
    text = content.decode("utf-8")
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise json.JSONDecodeError("Expecting an array", text, at)
    at = _skip(text, at + 1)
    more = text[at : at + 1] != "]"
    while more:
        value, end = decoder.raw_decode(text, at)
        yield value, text[at:end]
        at = _skip(text, end)
        more = text[at : at + 1] == ","
        if more:
            at = _skip(text, at + 1)
    if text[at : at + 1] != "]":
        raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
    if _skip(text, at + 1) != len(text):
        raise json.JSONDecodeError("Extra data", text, at + 1)


def _skip(text: str, at: int) -> int:
    match = _WHITESPACE.match(text, at)
    return match.end() if match else at


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
