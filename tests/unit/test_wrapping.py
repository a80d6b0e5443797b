"""Messages are broken into short lines where a reader would break them, and keep every word."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics import exceptions
from airflow_provider_omics.healthomics.api.errors import OmicsError, message_of
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.wrapping import LIMIT, LOG_LIMIT, wrap
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError

ARN = "arn:aws:iam::123456789012:role/OmicsRole"
WORDS = st.text(st.characters(exclude_categories=("Z", "Cc", "Cs")) | st.sampled_from("'\"[]{}:;.|"), min_size=1)
LINES = st.builds(lambda indent, words: " " * indent + " ".join(words), st.integers(0, 4), st.lists(WORDS))
TEXTS = st.lists(LINES, min_size=1, max_size=4).map("\n".join)


@given(TEXTS, st.integers(1, 30), st.integers(10, 60))
def test_no_word_is_lost_and_lines_are_short(text: str, first: int, limit: int) -> None:
    wrapped = wrap(text, first=first, limit=limit)
    assert wrapped.split() == text.split()
    for number, line in enumerate(wrapped.split("\n")):
        is_short = len(line.rstrip()) <= (first if number == 0 else limit)
        assert is_short or len(line.lstrip(" ").removeprefix("- ").split()) == 1 or line.lstrip().startswith("|")


@given(TEXTS)
def test_what_fits_stays(text: str) -> None:
    longest = max(map(len, text.split("\n")))
    assert wrap(text, first=longest, limit=longest) == text


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param(
            f"- role_arn: 'OmicsRole' is no ARN. Give the ARN, such as {ARN}, not its name.",
            ["- role_arn: 'OmicsRole' is no ARN.", f"  Give the ARN, such as {ARN}, not its name."],
            id="sentence",
        ),
        pytest.param(
            "Stopped waiting: GetRun for run 7777 failed: ResourceNotFoundException (HTTP 404): Run 7777 not found.",
            [
                "Stopped waiting: GetRun for run 7777 failed:",
                "  ResourceNotFoundException (HTTP 404): Run 7777 not found.",
            ],
            id="cause",
        ),
        pytest.param(
            "What to do: Let the caller use omics:StartRun (and iam:PassRole for the role of the run); "
            "the README has the policies",
            [
                "What to do: Let the caller use omics:StartRun (and iam:PassRole for the role of the run);",
                "  the README has the policies",
            ],
            id="clause",
        ),
        pytest.param(
            "  HealthOmics run 1 FAILED: RUN_TASK_FAILED [workflow; who can act: the author, or whoever provides it].",
            [
                "  HealthOmics run 1 FAILED: RUN_TASK_FAILED",
                "    [workflow; who can act: the author, or whoever provides it].",
            ],
            id="brackets",
        ),
        pytest.param(
            "StartRun for the workflow with the id that was given and nothing else in us-east-1 with connection 'x'",
            [
                "StartRun for the workflow with the id that was given and nothing else in us-east-1",
                "  with connection 'x'",
            ],
            id="words that are read together",
        ),
        pytest.param(
            "Whoever wants to see what takes so very long may see it all by aws omics get-run --id 7777777 and wait",
            [
                "Whoever wants to see what takes so very long may see it all",
                "  by aws omics get-run --id 7777777 and wait",
            ],
            id="command",
        ),
        pytest.param(
            'All these values, so many that the line becomes long, must be one value: {"a": 1, "b": [2, 3], "c": 4}',
            [
                "All these values, so many that the line becomes long, must be one value:",
                '  {"a": 1, "b": [2, 3], "c": 4}',
            ],
            id="JSON",
        ),
        pytest.param(f"  | {'a line of a log ' * 10}", [f"  | {'a line of a log ' * 10}"], id="log"),
        pytest.param(f"| {'a table | ' * 10}", [f"| {'a table | ' * 10}"], id="table"),
        pytest.param(f"- {ARN * 4}", [f"- {ARN * 4}"], id="a bullet stays with its word"),
    ],
)
def test_lines_are_broken_where_a_reader_would(text: str, lines: list[str]) -> None:
    assert wrap(text, first=90, limit=90).split("\n") == lines


def test_what_stands_in_front_of_the_first_line_has_its_room() -> None:
    issues = [Issue("role_arn", f"{ARN!r} is of another account", f"Give {ARN}")]
    error = exceptions.non_retryable(OmicsRequestInvalidError("OmicsStartRunBatchOperator 'cohort'", issues))
    first, *more = f"{type(error).__module__}.{type(error).__qualname__}: {error}".split("\n")
    assert first == (
        "airflow_provider_omics.exceptions.OmicsRequestInvalidNonRetryableError: OmicsStartRunBatchOperator 'cohort':"
    )
    assert more[0] == "  nothing was sent, since the request has 1 problem."
    assert error.message().startswith("OmicsStartRunBatchOperator 'cohort': nothing was sent, since the request has 1")
    assert max(map(len, more)) <= LIMIT
    assert " ".join(str(error).split()) == " ".join(error.message().split())


def test_entries_of_a_log_have_room_for_time_and_level() -> None:
    error = OmicsRequestInvalidError("StartRun", [Issue("role_arn", "is missing", f"Give the ARN of a role as {ARN}")])
    told = entry("Whether a job of task %r goes on could not be found out, now or later: %s", "align", error)
    first, *more = told.split("\n")
    assert first == "Whether a job of task 'align' goes on could not be found out, now or later:"
    assert len(first) <= LOG_LIMIT
    assert max(map(len, more)) <= LIMIT
    assert " ".join(told.split()).endswith(" ".join(error.message().split()))
    assert entry("100 % of it") == "100 % of it"


def test_other_errors_have_their_text() -> None:
    assert message_of(KeyError("a")) == "'a'"


@pytest.mark.parametrize("name", [name for name in exceptions.__all__ if name.startswith("Omics")])
def test_errors_are_shown_by_the_name_to_catch_them_by(name: str) -> None:
    kind = getattr(exceptions, name)
    assert kind.__module__ == "airflow_provider_omics.exceptions"
    assert issubclass(kind, OmicsError)
    assert pickle.loads(pickle.dumps(kind)) is kind
