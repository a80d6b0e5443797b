"""The rules that hold for the tags of every resource."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_omics.local.errors import ValidationException

MAX_TAGS = 50


def checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Return a copy of the tags that a resource is to have, once they keep the rules.

    :param tags: the whole set, not only what is added; keys of 1 to 128 and values of 0 to 256 characters.
    :raises ValidationException: more than 50, or a key that begins with ``aws:``.
    """
    wanted = dict(tags or {})
    for key in wanted:
        if key.lower().startswith("aws:"):
            raise ValidationException(f"The tag key {key!r} begins with aws:, which is reserved; choose another key")
    if len(wanted) > MAX_TAGS:
        raise ValidationException(f"{len(wanted)} tags are more than the {MAX_TAGS} that a resource can have")
    return wanted
