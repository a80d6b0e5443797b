"""What a class needs: actions without which it cannot do its work, and those of its features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """Feature of a class that needs more permissions.

    :param option: the parameter that it hangs on, or two words where it hangs on none.
    :param actions: IAM actions that it needs.
    :param purpose: what these are for.
    :param without: what happens where one of them is missing.
    :param is_default: whether it is used unless it is turned off.
    :param fails: whether the task fails without one of them, with an error that names it; it goes on otherwise.
    """

    option: str
    actions: tuple[str, ...]
    purpose: str
    without: str
    is_default: bool = False
    fails: bool = False


@dataclass(frozen=True)
class Permissions:
    """Permissions of a class, or of a method of the hook.

    :param required: IAM actions without which it fails, with an error that names what is missing.
    :param features: what needs more.
    """

    required: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()

    def actions(self, options: Iterable[str] | None = None) -> list[str]:
        """Return the IAM actions of some features with those that are required, each once.

        :param options: names of the features; None for those that are used unless they are turned off.
        :raises ValueError: there is no such feature.
        """
        if options is None:
            chosen = [feature for feature in self.features if feature.is_default]
        else:
            wanted = set(options)
            chosen = [feature for feature in self.features if feature.option in wanted]
            if unknown := wanted - {feature.option for feature in chosen}:
                known = ", ".join(dict.fromkeys(feature.option for feature in self.features))
                raise ValueError(f"{', '.join(sorted(unknown))} is no feature; there are {known or 'none'}")
        return list(dict.fromkeys((*self.required, *(action for feature in chosen for action in feature.actions))))

    @property
    def every_action(self) -> frozenset[str]:
        """All IAM actions that it may ever ask for."""
        return frozenset((*self.required, *(action for feature in self.features for action in feature.actions)))
