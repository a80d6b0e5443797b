"""Former names of attributes, which the next release drops; until then they warn and give what is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T", bound=type)


def with_former_names(names: Mapping[str, str]) -> Callable[[T], T]:
    """Return a decorator of a class whose attributes had other names.

    :param names: the present name of each former one.
    """

    def decorate(kind: T) -> T:
        for former, present in names.items():
            setattr(kind, former, property(_reader(kind.__name__, former, present)))
        return kind

    return decorate


def _reader(kind: str, former: str, present: str) -> Callable[[Any], Any]:
    def read(instance: Any) -> Any:
        text = f"{kind}.{former} is now called {present}; the old name will be removed in the next release"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return getattr(instance, present)

    return read
