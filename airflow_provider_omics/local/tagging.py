"""The rules that hold for the tags of every resource."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_omics.local.errors import ValidationException


def checked_tags(tags: Mapping[str, str] | None, limit: int) -> dict[str, str]:
    """Return a copy of the tags that a resource is to have, once they keep the rules.

    :param tags: the whole set, not only what is added; keys of 1 to 128 and values of 0 to 256 characters.
    :param limit: how many tags a resource can have (``Quotas.tags``).
    :raises ValidationException: there are more, or a key begins with ``aws:``.
    """
    wanted = dict(tags or {})
    for key in wanted:
        if key.lower().startswith("aws:"):
            raise ValidationException(f"The tag key {key!r} begins with aws:, which is reserved; choose another key")
    if len(wanted) > limit:
        raise ValidationException(f"{len(wanted)} tags are more than the {limit} that a resource can have")
    return wanted
