"""Compares the outputs of a workflow with those that a conformance test expects, by the rules of such tests."""

from __future__ import annotations

import json
from typing import Any

ANYTHING = "Any"
_OF_ITS_OWN = ("path", "location", "listing", "contents")


class Difference(Exception):
    """Something is not as expected; the text says where and what."""


def compare(expected: Any, actual: Any, where: str = "outputs") -> None:
    """Compare a value of a CWL type with what is expected of it.

    A file or directory is as expected if it has what the expectation names; other objects may have nothing else.

    :param expected: from the test; the text ``Any`` allows everything.
    :param actual: from the run; files have ``contents``, ``checksum`` and ``size``, directories ``listing``.
    :param where: names the value in messages.
    :raises Difference: it differs.
    """
    if expected == ANYTHING:
        return
    if isinstance(expected, dict) and isinstance(actual, dict):
        if expected.get("class") in ("File", "Directory"):
            _compare_object(expected, actual, where)
        else:
            for name in {**expected, **actual}:
                compare(expected.get(name), actual.get(name), f"{where}.{name}")
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            raise Difference(f"{where} has {len(actual)} items, not {len(expected)}")
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            compare(one, other, f"{where}[{index}]")
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        raise Difference(f"{where} is {_short(actual)}, not {_short(expected)}")


def _compare_object(expected: dict[str, Any], actual: dict[str, Any], where: str) -> None:
    place = expected.get("path", expected.get("location", ANYTHING))
    location = str(actual.get("location", "")).rstrip("/")
    if place != ANYTHING and not f"/{location}".endswith(f"/{place}"):
        raise Difference(f"{where} is at {location!r}, not {place!r}")
    if "contents" in expected and expected["contents"] != actual.get("contents"):
        raise Difference(f"{where} contains {_short(actual.get('contents'))}, not {_short(expected['contents'])}")
    if "listing" in expected:
        _compare_listing(expected["listing"], actual.get("listing"), where)
    for name in expected.keys() - set(_OF_ITS_OWN):
        compare(expected[name], actual.get(name), f"{where}.{name}")


def _compare_listing(expected: list[Any], actual: Any, where: str) -> None:
    if not isinstance(actual, list):
        raise Difference(f"{where} has no listing")
    for index, wanted in enumerate(expected):
        if not any(_is_as_expected(wanted, found) for found in actual):
            raise Difference(f"{where}.listing[{index}] is missing: {_short(wanted)}; there are {_short(actual)}")


def _is_as_expected(expected: Any, actual: Any) -> bool:
    try:
        compare(expected, actual)
    except Difference:
        return False
    return True


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 300 else f"{text[:300]}..."
