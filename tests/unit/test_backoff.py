"""Pausing after errors that nobody watches."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from airflow_provider_omics.healthomics.api.backoff import EndlessBackoff

SUBJECT = "queue https://sqs/1/events"
UNREACHABLE = EndpointConnectionError(endpoint_url="https://sqs")


def refused(code: str) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "No"}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item]
        "ReceiveMessage",
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backoff(clock: Clock) -> EndlessBackoff:
    return EndlessBackoff(clock=clock, rng=lambda: 0.5)


def test_the_pause_widens_and_an_answer_narrows_it(backoff: EndlessBackoff) -> None:
    pauses = [backoff.on_error(UNREACHABLE, "ReceiveMessage", SUBJECT).seconds for _ in range(8)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.on_success()
    assert backoff.on_error(UNREACHABLE, "ReceiveMessage", SUBJECT).seconds == 1


def test_a_thousand_errors_are_no_larger_number_than_a_pause_may_be(backoff: EndlessBackoff) -> None:
    for _ in range(2000):
        pause = backoff.on_error(UNREACHABLE, "ReceiveMessage", SUBJECT)
    assert (pause.seconds, pause.is_permanent) == (60, False)


def test_pauses_are_spread_by_ten_percent(clock: Clock) -> None:
    ends = [EndlessBackoff(clock=clock, rng=lambda at=at: at) for at in (0.0, 1.0)]  # type: ignore[misc]
    assert [one.on_error(UNREACHABLE, "ReceiveMessage", SUBJECT).seconds for one in ends] == [0.9, 1.1]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "Check the queue's URL"),
        ("AccessDenied", "sqs:ReceiveMessage and sqs:DeleteMessage"),
        ("AccessDeniedException", "sqs:ReceiveMessage and sqs:DeleteMessage"),
        ("KMS.AccessDeniedException", "kms:Decrypt"),
        ("InvalidClientTokenId", "access key"),
    ],
)
def test_an_error_that_lasts_is_told_with_its_remedy_and_tried_slowly(
    backoff: EndlessBackoff, code: str, remedy: str
) -> None:
    pause = backoff.on_error(refused(code), "ReceiveMessage", SUBJECT)
    assert (pause.is_permanent, pause.seconds) == (True, 300)
    assert SUBJECT in pause.message
    assert remedy in pause.message


@pytest.mark.parametrize("code", ["OverLimit", "RequestThrottled", "KmsThrottled", "ExpiredToken", "SlowDown"])
def test_what_passes_by_itself_is_tried_soon(backoff: EndlessBackoff, code: str) -> None:
    assert backoff.on_error(refused(code), "ReceiveMessage", SUBJECT).seconds == 1


def test_the_age_of_the_last_good_answer_is_told(backoff: EndlessBackoff, clock: Clock) -> None:
    clock.now += 5
    assert "no good answer since the start 5 s ago" in backoff.on_error(UNREACHABLE, "ReceiveMessage", SUBJECT).message
    assert backoff.on_success() == 5
    clock.now += 70
    assert "last good answer was 70 s ago" in backoff.on_error(UNREACHABLE, "ReceiveMessage", SUBJECT).message
    clock.now += 20
    assert backoff.on_success() == 90
    assert backoff.on_success() is None
