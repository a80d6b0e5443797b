"""The description of a parameter in a parameter template."""

from __future__ import annotations

_MOST_CHARACTERS = 256


def description(text: object) -> dict[str, str]:
    """Return the member ``description`` of a parameter; nothing where there is no text.

    :param text: what the definition says of the parameter; as much of it is taken as the service allows.
    """
    return {"description": str(text)[:_MOST_CHARACTERS]} if text else {}
