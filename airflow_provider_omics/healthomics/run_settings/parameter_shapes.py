"""Which parameters the samples of a cohort give: few shapes as a rule, however many samples."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_omics.healthomics.requests.parameter_template import chosen_profiles

_NONE: Mapping[str, Any] = {}


class ParameterShape(NamedTuple):
    """What some samples have in common.

    :param names: the names of their own parameters.
    :param profiles: the Nextflow profiles that they choose; None if they leave that to the defaults.
    """

    names: frozenset[str]
    profiles: tuple[str, ...] | None


class ParameterShapes:
    """The shapes of a cohort's samples, in the order of the input.

    :ivar kinds: the different shapes.
    :ivar of_samples: for each sample, the position of its shape in ``kinds``.
    """

    def __init__(self) -> None:
        self.kinds: list[ParameterShape] = []
        self.of_samples = array("L")
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...] | None], int] = {}

    def add(self, setting: Mapping[str, Any]) -> None:
        """Note the shape of the next sample."""
        names = tuple(setting.get("parameters") or _NONE)
        profiles = chosen_profiles(setting["engineSettings"]) if "engineSettings" in setting else None
        at = self._known.get((names, profiles))
        if at is None:
            at = self._known[(names, profiles)] = len(self.kinds)
            self.kinds.append(ParameterShape(frozenset(names), profiles))
        self.of_samples.append(at)
