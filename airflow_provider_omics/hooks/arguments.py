"""What the arguments are that only this provider reads: one table for operators, sensors and hook.

Whoever takes an argument of the table has it as a template field. A value of it is checked when the DAG is parsed,
unless it is a template; text, which is what templates come to, is read as what the argument is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar, cast

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.levels import LEVELS
from airflow_provider_omics.preflight.levels import LevelsArgument

_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf", re.ASCII | re.IGNORECASE)
_TRUTHS = {"true": True, "false": False}
_NOTHING = ("", "none")
_MOST_SHOWN = 80

T = TypeVar("T")


class Kind(Protocol):
    """What an argument may be."""

    @property
    def wanted(self) -> str:
        """What to give."""

    def read(self, value: Any) -> Any:
        """Read text as what the argument is; what cannot be read comes back as it is."""

    def fits(self, value: Any) -> bool:
        """Whether a value that was read can be used."""


@dataclass(frozen=True)
class Number:
    """A number.

    :param low: the lowest that is allowed.
    :param high: the highest; None for no bound.
    :param is_whole: whether it has no fraction.
    :param is_optional: whether it may be None.
    """

    low: float
    high: float | None = None
    is_whole: bool = False
    is_optional: bool = False

    @property
    def wanted(self) -> str:
        """What to give."""
        number = "a whole number" if self.is_whole else "a number"
        bounds = f", {self.low} or more" if self.high is None else f" from {self.low} to {self.high}"
        return f"Give {number}{bounds}{', or None' if self.is_optional else ''}"

    def read(self, value: Any) -> Any:
        """Read text as a number."""
        if isinstance(value, str):
            text = value.strip()
            if self.is_optional and text.lower() in _NOTHING:
                return None
            if _WHOLE.fullmatch(text):
                return int(text)
            if not _DECIMAL.fullmatch(text):
                return value
            value = float(text)
        if self.is_whole and isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    def fits(self, value: Any) -> bool:
        """Whether it is a number within the bounds."""
        if value is None:
            return self.is_optional
        if isinstance(value, bool) or not isinstance(value, int if self.is_whole else (int, float)):
            return False
        return bool(value >= self.low and (self.high is None or value <= self.high))


@dataclass(frozen=True)
class Flag:
    """Yes or no.

    :param or_text: whether it may also be text of another meaning, or None.
    :param is_optional: whether it may be None.
    """

    or_text: bool = False
    is_optional: bool = False

    @property
    def wanted(self) -> str:
        """What to give."""
        return f"Give true or false{', or text' if self.or_text else ''}{', or None' if self.is_optional else ''}"

    def read(self, value: Any) -> Any:
        """Read ``true`` and ``false``, in letters of any case."""
        if self.is_optional and isinstance(value, str) and value.strip().lower() in _NOTHING:
            return None
        return _TRUTHS.get(value.strip().lower(), value) if isinstance(value, str) else value

    def fits(self, value: Any) -> bool:
        """Whether it is true or false."""
        if value is None and self.is_optional:
            return True
        return isinstance(value, bool) or (self.or_text and (value is None or isinstance(value, str)))


@dataclass(frozen=True)
class Choice:
    """One of some words.

    :param is_optional: whether it may be None.
    """

    words: tuple[str, ...]
    is_optional: bool = False

    @property
    def wanted(self) -> str:
        """What to give."""
        return f"Use one of {', '.join(self.words)}{', or None' if self.is_optional else ''}"

    def read(self, value: Any) -> Any:
        """Read a word with spaces around it."""
        if self.is_optional and isinstance(value, str) and value.strip().lower() in _NOTHING:
            return None
        return value.strip() if isinstance(value, str) else value

    def fits(self, value: Any) -> bool:
        """Whether it is one of them."""
        if value is None:
            return self.is_optional
        return isinstance(value, str) and value in self.words


@dataclass(frozen=True)
class Object:
    """A dict, or None."""

    wanted: str = "Give a dict, or text that is a JSON object"

    def read(self, value: Any) -> Any:
        """Read text as JSON."""
        if not isinstance(value, str):
            return value
        if value.strip().lower() in _NOTHING:
            return None
        with suppress(ValueError):
            return json.loads(value)
        return value

    def fits(self, value: Any) -> bool:
        """Whether it is a dict, or None."""
        return value is None or isinstance(value, Mapping)


@dataclass(frozen=True)
class Span:
    """A length of time.

    :param is_optional: whether it may be None.
    """

    is_optional: bool = False

    @property
    def wanted(self) -> str:
        """What to give."""
        return "Give a timedelta of 0 or more, or text such as P30D or PT12H" + (", or None" * self.is_optional)

    def read(self, value: Any) -> Any:
        """Read text as an ISO 8601 duration."""
        if not isinstance(value, str):
            return value
        if self.is_optional and value.strip().lower() in _NOTHING:
            return None
        with suppress(ValueError):
            import pendulum

            span = pendulum.parse(value.strip())
            return span if isinstance(span, timedelta) else value
        return value

    def fits(self, value: Any) -> bool:
        """Whether it is a length of time that is not negative."""
        return self.is_optional if value is None else isinstance(value, timedelta) and value >= timedelta()


_FLAG, _LEVEL = Flag(), Choice(LEVELS)
_COUNT = Number(0, is_whole=True)
# Clocks and locks cannot wait for very much longer.
_WEEK = 7 * 24 * 3600

ARGUMENTS: dict[str, Kind] = {
    "verify": Flag(or_text=True),
    "waiter_delay": Number(0.01, _WEEK),
    "waiter_max_attempts": Number(1, is_whole=True, is_optional=True),
    "error_budget": Number(0),
    "wait_for_completion": _FLAG,
    "cancel_on_kill": _FLAG,
    "on_timeout": Choice(("cancel", "detach")),
    "durable": _FLAG,
    "identity_tags": _FLAG,
    "preflight": LevelsArgument(),
    "runs": Number(1, is_whole=True),
    "check_inputs": _LEVEL,
    "cache": Choice(("auto",), is_optional=True),
    "check_definition": _LEVEL,
    "on_other_content": Choice(("fail", "keep")),
    "check_inputs_timeout": Number(0, _WEEK),
    "s3_requester_pays": _FLAG,
    "s3_bucket_key_enabled": Flag(is_optional=True),
    "group_rows": _FLAG,
    "non_sample_rows": Choice(("fail", "skip")),
    "parameter_types": Object(),
    "duplicate_inputs": _LEVEL,
    "types_from_definition": _FLAG,
    "validate_parameters": _FLAG,
    "tolerated_failure_count": _COUNT,
    "tolerated_failure_percentage": Number(0, 100),
    "fail_fast": _FLAG,
    "redrive_attempts": _COUNT,
    "retry_permanent_failures": _FLAG,
    "failure_lookup_limit": _COUNT,
    "cache_hits_limit": _COUNT,
    "runs_limit": _COUNT,
    "asset_partitions_limit": Number(0, 1000, is_whole=True),
    "usage": Choice(("off", "failed", "sample", "all")),
    "report": _FLAG,
    "headroom": Number(0, 10),
    "analysis_runs_limit": Number(1, is_whole=True, is_optional=True),
    "snippet_engine": Choice(("auto", "WDL", "NEXTFLOW", "CWL")),
    "usage_sample_size": Number(1, is_whole=True),
    "usage_calls_limit": _COUNT,
    "max_cost_usd": Number(0, is_optional=True),
    "unknown_cost": Choice(("refuse", "start")),
    "estimate_runs": Number(5, 1000, is_whole=True, is_optional=True),
    "whole_cohort": _FLAG,
    "cohort_map_index": Number(-1, is_whole=True),
    "target": Choice(("completed", "submitted")),
    "older_than": Span(is_optional=True),
    "protect_for": Span(),
    "include_untagged": _FLAG,
    "include_other_deployments": _FLAG,
    "plan_only": _FLAG,
    "max_deletions": Number(1, 100_000, is_whole=True),
}
"""What each argument is, by its name."""


def as_read(value: T | str) -> T:
    """Return an argument, which may be text or a template until it is read, as what it is from then on."""
    return cast("T", value)


def read_arguments(holder: Any) -> None:
    """Read the arguments of an operator or a sensor that are text, in place."""
    for name, kind in _own(holder):
        setattr(holder, name, kind.read(getattr(holder, name)))


def argument_issues(holder: Any) -> Iterator[Issue]:
    """Read the arguments of an operator or a sensor, and yield what is wrong with them."""
    read_arguments(holder)
    for name, _ in _own(holder):
        yield from value_issues(name, getattr(holder, name))


def value_issues(name: str, value: Any) -> Iterator[Issue]:
    """Yield what is wrong with one argument; nothing if the table does not have it.

    :param value: as it was given.
    """
    kind = ARGUMENTS.get(name)
    if kind is not None and not kind.fits(kind.read(value)):
        shown = repr(value)
        shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[: _MOST_SHOWN - 3]}..."
        yield Issue(name, f"is {shown}", kind.wanted)


def _own(holder: Any) -> Iterator[tuple[str, Kind]]:
    return ((name, kind) for name, kind in ARGUMENTS.items() if name in holder.template_fields)
