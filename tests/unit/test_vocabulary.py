"""The words of the code are those of the field: what was replaced comes back neither as a name nor in docstrings."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("airflow_provider_omics", "scripts", "benchmarks")
FILES = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
#: Names that were this code's own -> the field's; words that may be something else, such as ``left``, are not listed.
REPLACED: Mapping[str, str] = {
    "Look RunLook BatchLook SampleLook look_at_run look_at_batch new_look look_once look_again": "poll",
    "View RunView BatchView SampleView unseen": "snapshot, initial",
    "Wait new_wait saw failed_with KeepWaiting WaitEnd awatch": "Waiter, on_response, on_error, PollAgain, WaitResult",
    "Steps Conversation aperform aconverse converse": "Requests, run_sync, run_async",
    "tell_changes tell_change": "describe_change",
    "spread _spread dice": "jitter, rng",
    "Nature nature LASTING PASSING only_passing is_lasting": "ErrorCategory, TRANSIENT, PERMANENT",
    "may_have_had_its_effect _UNSURE_CODES ask_for_job same_run": "is_ambiguous, submit_idempotent, verify_identity",
    "look_behind _look_behind": "read_after_refusal, reconcile",
    "Desk RunsDesk SamplesDesk": "Poller",
    "Ticket _Seat _Place sit_down stand_up _ring every_look fresh_at check_age _tell_age": "Subscription",
    "_Held Opened Connect": "_ClientLease, ClientConfig, ClientFactory",
    "Pace _slowness": "AdaptiveRateLimiter",
    "BatchAnswers ListCost Reading": "BatchCache, ListCostEstimate, ListFreshness, ReceiveOptions",
    "_alone look_alone_later is_alone not_alone _in_hand": "enqueue_get",
    "NoMeter Timing": "NullMetrics, Clock",
    "Watchers _Shared _Use give_back": "WatcherPool, acquire, release",
    "_run_untold _see_to_it TRIGGERS_ARE_TOLD_OF_KILLS _finished_late _unfinished": "HAS_TRIGGER_ON_KILL, _shielded",
    "BACKSTOP _HEAD_START": "DEFER_TIMEOUT_GRACE, RESUME_MARGIN",
    "Memory Remembered intend forget_finished drop_left from_generation": "JobRecord, record_intent",
    "OnceStarter start_once _unanswered _tell_if_over _ended_badly Intent": "IdempotentSubmitter, JobKey",
    "ChainedBatch followed_by given_up retry_all adopt _drop Places": "CohortAttempt, CohortCheckpoint, CohortPaths",
    "give_up settle_kill _ask_why _stop_unknown _may_have_job _without_trigger": "CancelReason, decide",
    "_untold _tell_untold _cancel_now _cancel_if_unwanted _go_on _conclude": "_pending_log, _advance, _finalize",
    "glance some_failures is_glance stories _TOLD_STORIES": "summarize, sample_failures, failure_details",
    "BatchPart lose _has_say _fresh doubt_unsubmitted saw_run saw_no_run": "BatchMerge, mark_lost, apply_run",
    "SampleEnd": "SampleStatus",
    "Patience Pause": "EndlessBackoff, BackoffStep",
    "_tell_once _PAUSE_AMONG_STRANGERS": "_log_once, _FOREIGN_MESSAGE_DELAY",
    "failing_fast": "non_retryable_errors",
    "Problems Checks Origin flaw": "IssueList, SettingValidator, SourceLocation, find_defect",
    "World strike _Armed NeighbourFaults": "AccountState, inject, _ActiveRule, MotoFaults",
    "demo_stage weather": "demo_setup, fault_schedule",
    "told": "message, text",
}
NEW = {word: new for words, new in REPLACED.items() for word in words.split()}
#: Homely words of docstrings where the field has a noun -> that noun.
HOMELY: Mapping[str, str] = {
    r"an? look|(two|many|looks) looks|looks at": "poll",
    r"desks?": "poller",
    r"tickets?": "subscription",
    r"whoever asks|one who (asks|looks|waits)": "caller, waiter, subscriber",
}


def names(file: Path) -> set[str]:
    """The identifiers of a file: of variables, parameters, attributes, functions, classes, modules."""
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text()).readline)
    return {file.stem, *(token.string for token in tokens if token.type == tokenize.NAME)}


def docstrings(file: Path) -> list[str]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, documented))
    return [" ".join(text.split()) for node in nodes if (text := ast.get_docstring(node))]


@pytest.mark.parametrize("file", [pytest.param(file, id=str(file.relative_to(ROOT))) for file in FILES])
def test_names_and_docstrings_use_the_words_of_the_field(file: Path) -> None:
    found = {f"{word}: say {NEW[word]}" for word in names(file) & NEW.keys()}
    for text in docstrings(file):
        found |= {
            f"{word}: say {new}: {text}" for word, new in HOMELY.items() if re.search(rf"\b({word})\b", text, re.I)
        }
    assert not found
