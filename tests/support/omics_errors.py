"""Expecting this provider's errors by their text as it is before it is broken into lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from airflow_provider_omics.healthomics.api.errors import OmicsError

E = TypeVar("E", bound=OmicsError)


@contextmanager
def raises(kind: type[E] | tuple[type[E], ...], match: str | None = None) -> Iterator[pytest.ExceptionInfo[E]]:
    """Expect an error as ``pytest.raises`` does, whose message has something that matches a pattern."""
    with pytest.raises(kind) as caught:
        yield caught
    if match is not None:
        message = caught.value.message()
        assert re.search(match, message), f"{match!r} is not found in {message!r}"


def unwrapped(text: str) -> str:
    """Return a log with a space for each line break and indentation."""
    return " ".join(text.split())
