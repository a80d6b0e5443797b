from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import dateutil.parser
import pytest
from botocore.utils import parse_timestamp as botocore_parse
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from airflow_provider_omics.hooks.timestamps import parse_timestamp


def result(parse: Any, value: Any) -> Any:
    """What a parser makes of a value, with all that tells one time from another; or the error it raises."""
    try:
        parsed = parse(value)
    except Exception as error:
        return type(error), str(error)
    return parsed.replace(tzinfo=None), parsed.tzinfo, parsed.tzname(), parsed.utcoffset(), parsed.fold


def assert_read_alike(value: Any) -> None:
    assert result(parse_timestamp, value) == result(botocore_parse, value)


UTC_SPELLINGS = ("Z", "z", "+00:00", "-00:00", "+0000", "+00", "+00:00:00", " UTC", "GMT")
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1000, 1, 1), datetime(2999, 12, 31), timezones=st.one_of(st.just(UTC), offsets))


@given(times)
def test_a_time_as_the_service_writes_it_is_read_exactly(time: datetime) -> None:
    assert parse_timestamp(time.isoformat()) == time
    assert_read_alike(time.isoformat())


@given(
    time=times,
    separator=st.sampled_from("Tt "),
    fraction=st.one_of(st.just(""), st.text("0123456789", max_size=12).map(".{}".format), st.just(",5")),
    zone=st.sampled_from([*UTC_SPELLINGS, "", "+05:30", "-0800", "+05"]),
)
@example(time=datetime(2023, 4, 7, 16, 44, 22), separator="T", fraction=".262471999", zone="Z")
def test_every_spelling_of_an_iso_time_is_read_as_botocore_reads_it(
    time: datetime, separator: str, fraction: str, zone: str
) -> None:
    assert_read_alike(f"{time:%Y-%m-%d}{separator}{time:%H:%M:%S}{fraction}{zone}")


# Also days and hours that no calendar has, and other letters and digits than ASCII's.
@given(
    st.one_of(
        st.from_regex(r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9]{2}:[0-6][0-9]:[0-6][0-9](\.[0-9]+)?(Z|\+00:00)\Z"),
        st.from_regex(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n?\Z"),
    )
)
@example("2023-02-30T12:00:00Z")
@example("2023-04-07T24:00:00Z")
@example("2016-12-31T23:59:60Z")
@example("2023-W14-5T00:00:00Z")
@example("20230407T164422Z")
@example("2023-04-07T16:44:22Z\n")
def test_what_looks_like_a_time_is_read_or_refused_as_botocore_does(text: str) -> None:
    assert_read_alike(text)


@given(times)
def test_http_dates_are_read_as_botocore_reads_them(time: datetime) -> None:
    assert_read_alike(format_datetime(time))
    assert_read_alike(format_datetime(time.astimezone(UTC), usegmt=True))


@given(st.one_of(st.integers(-(10**11), 10**11), st.floats(-1e11, 1e11, allow_nan=False)))
def test_seconds_since_1970_are_read_as_botocore_reads_them(seconds: float) -> None:
    assert_read_alike(seconds)
    assert_read_alike(str(seconds))


@pytest.mark.parametrize("value", ["", "yesterday", "nan", "inf", "20230407", None, [], True])
def test_anything_else_is_left_to_botocore(value: Any) -> None:
    assert_read_alike(value)


def test_the_services_own_form_does_not_go_through_botocore(mocker: MockerFixture) -> None:
    slow = mocker.spy(dateutil.parser, "parse")
    assert parse_timestamp("2023-04-07T16:44:22.262471+00:00") == datetime(2023, 4, 7, 16, 44, 22, 262471, UTC)
    assert parse_timestamp("2025-03-15T10:00:00Z") == datetime(2025, 3, 15, 10, tzinfo=UTC)
    assert slow.call_count == 0
