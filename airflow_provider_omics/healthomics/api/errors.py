"""The base of all exceptions of this provider, each of which stands beside its facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.wrapping import wrap

if TYPE_CHECKING:
    pass

_WIDTH = 115


class OmicsError(Exception):
    """Base of everything that this provider raises on purpose; as text it is :meth:`message` in short lines."""

    def __str__(self) -> str:
        kind = type(self)
        # A log has the name of the class in front of the first line.
        name = f"{kind.__module__}.{kind.__qualname__}: "
        return wrap(self.message(), first=_WIDTH - len(name))

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return super().__str__()


def message_of(error: BaseException) -> str:
    """Return the text of an error as it is before it is broken into short lines, to make a part of another text."""
    return error.message() if isinstance(error, OmicsError) else str(error)
