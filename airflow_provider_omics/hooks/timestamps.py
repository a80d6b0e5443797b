"""A faster reader for the times in the service's answers.

botocore guesses the form of every time, which costs more than the rest of a long listing. The service writes them in
one form, which Python reads at a twentieth of the cost; what is not in that form is left to botocore.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from botocore.utils import parse_timestamp as parse_any_timestamp
from dateutil.tz import tzutc

# Other forms that fromisoformat takes mean something else to botocore, or nothing.
_UTC_FORM = re.compile(
    r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|\+00:00)", re.ASCII
)
_UTC = tzutc()


def parse_timestamp(value: Any) -> datetime:
    """Read a time of an answer, with the result that botocore's own parser gives.

    :param value: ISO 8601 or RFC 822 text, or seconds since 1970 as a number or as text.
    :raises ValueError: it is none of these.
    """
    if isinstance(value, str) and _UTC_FORM.fullmatch(value):
        try:
            return datetime.fromisoformat(value).replace(tzinfo=_UTC)
        except ValueError:
            pass  # Such as the 31st of a short month: the message is botocore's.
    parsed: datetime = parse_any_timestamp(value)
    return parsed


def read_timestamps_fast(session: Any) -> None:
    """Let the clients that a session makes from now on use :func:`parse_timestamp`; no other session is touched.

    :param session: a boto3 or an aiobotocore session.
    """
    # boto3 wraps a botocore session and offers no other way to its components; an aiobotocore session is one.
    core = getattr(session, "_session", session)
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_timestamp)
