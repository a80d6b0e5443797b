"""What becomes of the task for each kind of finding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_omics.healthomics.requests.levels import FAIL, LEVELS, OFF, WARN
from airflow_provider_omics.preflight.findings import KINDS, Finding, Verdict

UNKNOWN, OTHERS = "unknown", "*"
_NAMES = (*KINDS, UNKNOWN, OTHERS)


@dataclass(frozen=True)
class Levels:
    """The level of each kind.

    :param others: level of the kinds that are not named.
    :param named: levels by kind; ``unknown`` is that of what could not be found out.
    """

    others: str = OFF
    named: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: str | Mapping[str, str] | None) -> Levels:
        """Read the argument of an operator, which was checked before."""
        if given is None or isinstance(given, str):
            return cls(given or OFF)
        named = dict(given)
        return cls(named.pop(OTHERS, WARN), named)

    @property
    def kinds(self) -> list[str]:
        """The kinds that are checked."""
        return [kind for kind in KINDS if self._of_kind(kind) != OFF]

    def fails(self, finding: Finding) -> bool:
        """Whether a finding fails the task."""
        return self._of(finding) == FAIL

    def warns(self, finding: Finding) -> bool:
        """Whether a finding is logged as a warning."""
        return self._of(finding) == WARN

    def _of(self, finding: Finding) -> str:
        match finding.verdict:
            case Verdict.GOOD:
                return OFF
            case Verdict.UNKNOWN:
                return self.named.get(UNKNOWN, WARN)
        return self._of_kind(finding.kind)

    def _of_kind(self, kind: str) -> str:
        return self.named.get(kind, self.others)


@dataclass(frozen=True)
class LevelsArgument:
    """An argument with one level for all kinds, or with a dict of levels by kind."""

    wanted: str = (
        f"Use one of {', '.join(LEVELS)}, or a dict of them with the keys {', '.join(KINDS)}, "
        f"{UNKNOWN}, or {OTHERS} for all others"
    )

    def read(self, value: Any) -> Any:
        """Read text as a level, or as JSON."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        if text.lower() in ("", "none"):
            return None
        if text.startswith("{"):
            with suppress(ValueError):
                return json.loads(text)
        return text

    def fits(self, value: Any) -> bool:
        """Whether it is a level, None, or a dict of levels."""
        if isinstance(value, Mapping):
            return all(name in _NAMES and level in LEVELS for name, level in value.items())
        return value is None or value in LEVELS
